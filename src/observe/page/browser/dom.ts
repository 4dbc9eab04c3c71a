/**
 * Elements from code. Texts of peers (users, programs, subjects) come in as children, which are always text, or as
 * values of attributes that nothing executes; no HTML is ever parsed.
 */

export type Child = Node | string | undefined | false;
/** Undefined and false: without the attribute. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

export function element(tag: string, attributes: Attributes, ...children: Child[]): HTMLElement {
  return filled(document.createElement(tag), attributes, children);
}

export function svgElement(tag: string, attributes: Attributes, ...children: Child[]): SVGElement {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function filled<T extends Element>(target: T, attributes: Attributes, children: readonly Child[]): T {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    target.setAttribute(name, value === true ? '' : String(value));
  }
  target.append(...children.filter((child): child is Node | string => Boolean(child)));
  return target;
}

/** An element of page.html, which has it. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** Read aloud, not shown. */
export const spoken = (text: string): HTMLElement => element('span', { class: 'spoken' }, text);

/** What stands in a section that has nothing to show, or can't. */
export const notice = (text: string, kind: 'empty' | 'error' = 'empty'): HTMLElement =>
  element('p', { class: `notice ${kind}` }, text);

/** Options and addresses, which would otherwise break at their hyphens; not times. */
const unbreakable = /(--[a-z][a-z-]+|\d*[a-z_.-][\w.-]*:\d+)/i;
/** No option of the proxy is longer; what else looks like one must not make the page wider than a phone. */
const longestOption = 32;

/** Words of the proxy, with options in one piece, and addresses, too, where a line has room for them. */
export function prose(text: string): Child[] {
  return text.split(unbreakable).map((part, index) => {
    if (index % 2 === 0) return part;
    const isOption = part.startsWith('--') && part.length <= longestOption;
    return element('span', { class: isOption ? 'option' : 'whole' }, part);
  });
}
