/**
 * Peers choose parts of what is logged and sent: user names, names in certificates and of plugins. They must not forge
 * lines, nor fill the log: control characters, line separators and what changes the direction of writing become `\uXXXX`, and what is longer than `maxLength`
 * characters is cut.
 */
export function printable(text: string, maxLength: number): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}]/gu,
    escapeCharacter,
  );
}

/** Longest user name of any server is 128 characters (MariaDB); peers may send up to a packet of it. */
const LONGEST_NAME = 128;

/** A name that a peer gives itself, its program or its plugin. */
export function printableName(name: string): string {
  return printable(name, LONGEST_NAME);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
