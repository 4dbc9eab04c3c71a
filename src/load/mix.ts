/**
 * The statements of a load test, from the text of a file: statements end with `;`, a comment line `-- weight: 5` makes the
 * next one run five times in each pass, and `{1..1000}` is a random whole number, another one each time.
 */

/** A text that is no mix. The message says on which line, and what to write instead. */
export class UnusableMix extends Error {}

interface RandomNumber {
  readonly least: number;
  readonly greatest: number;
}

export interface Statement {
  /** As it stands in the text. */
  readonly text: string;
  readonly parts: readonly (string | RandomNumber)[];
}

const GREATEST_WEIGHT = 1000;
/** Statements; more is a typing error, or a dump. */
const LONGEST_PASS = 10_000;

/**
 * One pass: each statement as often as its weight says, in the order of the text.
 *
 * @throws UnusableMix
 */
export function parseMix(text: string): readonly Statement[] {
  const pass: Statement[] = [];
  let statement = '';
  let weight: number | undefined;
  let line = 1;
  const finish = () => {
    const written = statement.trim();
    statement = '';
    if (written === '') return;
    if (/^delimiter\b/i.test(written)) {
      throw new UnusableMix(
        `line ${line}: DELIMITER is of the mysql program; make stored routines beforehand and CALL them`,
      );
    }
    const parsed: Statement = { text: written, parts: partsOf(written, line) };
    for (let n = 0; n < (weight ?? 1); n++) pass.push(parsed);
    if (pass.length > LONGEST_PASS) {
      throw new UnusableMix(
        `line ${line}: a pass has more than ${LONGEST_PASS} statements; write fewer, or lower the weights`,
      );
    }
    weight = undefined;
  };
  for (const token of tokensOf(text)) {
    if (token === ';') finish();
    else if (isLineComment(token)) weight = weightIn(token, line, statement) ?? weight;
    else if (QUOTES.includes(token) || token === '/*') {
      throw new UnusableMix(`line ${line}: ${token} is opened and not closed`);
    } else statement += token;
    line += token.split('\n').length - 1;
  }
  finish();
  if (weight !== undefined) throw new UnusableMix(`line ${line}: no statement comes after the last weight`);
  if (pass.length === 0) throw new UnusableMix('it has no statement');
  return pass;
}

/** What to send, with numbers drawn anew. */
export function drawStatement({ text, parts }: Statement): string {
  if (parts.length === 1) return text;
  return parts.map((part) => (typeof part === 'string' ? part : draw(part))).join('');
}

const QUOTES = ["'", '"', '`'];

/** Texts in quotes and comments are whole, so that a `;` in them ends no statement; a quote that nothing closes is alone. */
const TOKEN =
  /'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|--(?=\s|$)[^\n]*|#[^\n]*|\/\*.*?\*\/|\/\*|;|[^'"`;#/-]+|./gs;

function tokensOf(text: string): readonly string[] {
  return text.match(TOKEN) ?? [];
}

function isLineComment(token: string): boolean {
  return /^(#|--(\s|$))/.test(token);
}

function weightIn(comment: string, line: number, statement: string): number | undefined {
  const written = /^--\s+weight\s*:\s*(.*?)\s*$/i.exec(comment)?.[1];
  if (written === undefined) return undefined;
  const weight = /^\d{1,4}$/.test(written) ? Number(written) : 0;
  if (weight < 1 || weight > GREATEST_WEIGHT) {
    throw new UnusableMix(
      `line ${line}: "${written}" is no weight; write a whole number from 1 to ${GREATEST_WEIGHT}`,
    );
  }
  if (statement.trim() !== '') {
    throw new UnusableMix(
      `line ${line}: a weight stands before its statement; does a ";" lack in front of it?`,
    );
  }
  return weight;
}

function partsOf(text: string, line: number): Statement['parts'] {
  return text.split(/(\{\d+\.\.\d+\})/).map((part) => {
    const [, least, greatest] = /^\{(\d+)\.\.(\d+)\}$/.exec(part) ?? [];
    if (least === undefined || greatest === undefined) return part;
    const range = { least: Number(least), greatest: Number(greatest) };
    if (range.greatest < range.least || !Number.isSafeInteger(range.greatest)) {
      throw new UnusableMix(
        `line ${line}: ${part} is no range; write the smaller number first, and none above 2^53`,
      );
    }
    return range;
  });
}

function draw({ least, greatest }: RandomNumber): string {
  return String(least + Math.floor(Math.random() * (greatest - least + 1)));
}
