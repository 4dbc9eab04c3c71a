/**
 * Peers choose parts of what is logged and sent: user names, names in certificates and of plugins. They must not forge
 * lines, nor fill the log: control characters and line separators become `\uXXXX`, and what is longer than `maxLength`
 * characters is cut.
 */
export function printable(text: string, maxLength: number): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
