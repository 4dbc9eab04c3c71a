/** As much of mysqljs, which comes without types, as npm-clients.ts uses. */
declare module 'mysql' {
  export interface Credentials {
    user: string;
    password: string;
    database?: string;
  }

  export interface Options extends Credentials {
    host?: string;
    port?: number;
    socketPath?: string;
    ssl?: { ca?: string; rejectUnauthorized?: boolean };
    charset?: string;
    connectTimeout?: number;
    typeCast?: (column: { string(): string | null }) => unknown;
  }

  type Done = (error: Error | null) => void;

  export interface Connection {
    connect(done: Done): void;
    query(
      sql: string,
      done: (error: Error | null, rows?: unknown, columns?: readonly { name: string }[]) => void,
    ): void;
    changeUser(user: Credentials, done: Done): void;
    ping(done: Done): void;
    destroy(): void;
    on(event: 'error', listener: (error: Error) => void): void;
  }

  const mysql: { createConnection(options: Options): Connection };
  export default mysql;
}
