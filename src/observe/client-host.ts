/** Where a client is, without the port, which is another for each connection; `unix` for a client on a socket file. */
export function clientHost(clientAddress: string): string {
  return clientAddress.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
