/**
 * Brings what is shown to what shall be shown with as few changes as possible, so that an update takes away neither
 * focus, selected text nor scroll position. Elements with `data-key` are recognised wherever they move. Listeners are
 * not taken over: they belong on elements of page.html.
 */

export function show(target: Element, ...wanted: readonly Node[]): void {
  const focused = document.activeElement;
  patchChildren(target, wanted);
  // An element that is moved loses the focus.
  const lostFocus = focused !== document.activeElement && focused !== document.body;
  if (lostFocus && focused?.isConnected && (focused instanceof HTMLElement || focused instanceof SVGElement))
    focused.focus({ preventScroll: true });
}

function patchChildren(target: Element, wanted: readonly Node[]): void {
  const keyed = new Map<string, Element>();
  for (const child of target.children) {
    const key = keyOf(child);
    if (key !== undefined) keyed.set(key, child);
  }
  // Those that are gone leave first, so that the ones behind them need not move.
  const wantedKeys = new Set(wanted.map(keyOf));
  for (const [key, child] of keyed) if (!wantedKeys.has(key)) child.remove();
  let place: ChildNode | null = target.firstChild;
  for (const node of wanted) {
    const key = keyOf(node);
    const old: ChildNode | null = key === undefined ? place : (keyed.get(key) ?? null);
    if (old === null || !isSameSort(old, node)) {
      target.insertBefore(node, place);
      continue;
    }
    if (old === place) place = place.nextSibling;
    else target.insertBefore(old, place);
    patchNode(old, node);
  }
  while (place !== null) {
    const next: ChildNode | null = place.nextSibling;
    place.remove();
    place = next;
  }
}

function patchNode(old: Node, wanted: Node): void {
  if (old instanceof Element && wanted instanceof Element) {
    patchAttributes(old, wanted);
    patchChildren(old, [...wanted.childNodes]);
  } else if (old.nodeValue !== wanted.nodeValue) old.nodeValue = wanted.nodeValue;
}

function patchAttributes(old: Element, wanted: Element): void {
  for (const { name } of [...old.attributes]) {
    // Whether a <details> is open is up to whoever reads it.
    if (!wanted.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes)
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

const isSameSort = (old: Node, wanted: Node): boolean =>
  old.nodeName === wanted.nodeName && keyOf(old) === keyOf(wanted);

const keyOf = (node: Node): string | undefined =>
  node instanceof Element ? (node.getAttribute('data-key') ?? undefined) : undefined;
