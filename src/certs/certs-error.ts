/** Why certificates can't be made, renewed or read as asked. The message says what to change. */
export class CertsError extends Error {}
