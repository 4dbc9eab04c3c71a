/** Finds what a PromQL expression is about: metrics, label matchers, and the labels that it groups and joins by. */

export interface Matcher {
  readonly label: string;
  readonly operator: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}

export interface Selector {
  /** Empty where the selector names none. */
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

export interface ScannedExpression {
  readonly selectors: readonly Selector[];
  /** Of `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`, in order. */
  readonly groupingLabels: readonly string[];
}

const beforeLabels = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
const operators = new Set(['and', 'or', 'unless', 'atan2', 'bool', 'offset']);
const numbers = new Set(['inf', 'nan']);
const aggregations = new Set(
  'sum min max avg group stddev stdvar count count_values bottomk topk quantile'.split(' '),
);

const token = new RegExp(
  [
    String.raw`(?<blank>\s+|#[^\n]*)`,
    String.raw`(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\`[^\`]*\`)`,
    String.raw`(?<name>[A-Za-z_][\w:]*)`,
    String.raw`(?<number>\.?\d[\w.]*)`,
    String.raw`(?<sign>=~|!~|==|!=|>=|<=|[-+*/%^<>=@(){},]|\[|\]|:)`,
  ].join('|'),
  'y',
);

/** Takes the expression to be valid: Prometheus itself judges that. Throws at a character that PromQL does not have. */
export function scanPromql(expression: string): ScannedExpression {
  const tokens = tokensOf(expression);
  const selectors: Selector[] = [];
  const groupingLabels: string[] = [];
  let at = 0;
  while (at < tokens.length) {
    const [current = '', next = ''] = tokens.slice(at);
    if (beforeLabels.has(current.toLowerCase()) && next === '(') {
      const end = tokens.indexOf(')', at);
      groupingLabels.push(...tokens.slice(at + 2, end).filter((part) => part !== ','));
      at = end + 1;
    } else if (current === '{' || isMetric(current, next)) {
      const open = current === '{' ? at : at + 1;
      const end = tokens[open] === '{' ? tokens.indexOf('}', open) : at;
      selectors.push(selector(current === '{' ? '' : current, tokens.slice(open + 1, end)));
      at = end + 1;
    } else {
      at++;
    }
  }
  return { selectors, groupingLabels };
}

function tokensOf(expression: string): string[] {
  const tokens: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < expression.length) {
    const from = token.lastIndex;
    const match = token.exec(expression);
    if (match === null) throw new Error(`not PromQL from "${expression.slice(from)}" on: ${expression}`);
    if (match.groups?.['blank'] === undefined) tokens.push(match[0]);
  }
  return tokens;
}

function isMetric(current: string, next: string): boolean {
  const word = current.toLowerCase();
  if (!/^[A-Za-z_]/.test(current)) return false;
  if (operators.has(word) || numbers.has(word)) return false;
  const isFunction = next === '(';
  const isAggregation = aggregations.has(word) && beforeLabels.has(next.toLowerCase());
  return !isFunction && !isAggregation;
}

/** `parts`: all between the braces. */
function selector(metric: string, parts: readonly string[]): Selector {
  const matchers: Matcher[] = [];
  for (let at = 0; at < parts.length; at += 4) {
    const [label = '', operator, value = ''] = parts.slice(at);
    matchers.push({ label, operator: operator as Matcher['operator'], value: unquoted(value) });
  }
  const name = matchers.find(({ label, operator }) => label === '__name__' && operator === '=')?.value;
  return { metric: name ?? metric, matchers: matchers.filter(({ label }) => label !== '__name__') };
}

function unquoted(text: string): string {
  const content = text.slice(1, -1);
  return text.startsWith('`') ? content : content.replace(/\\(.)/g, '$1');
}
