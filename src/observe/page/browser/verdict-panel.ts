/** Shows the findings: the worst as headline, the others beneath it, each with a way to its details. */
import { byId, element, prose, spoken } from './dom.js';
import { show } from './patch.js';
import type { Finding, Severity } from './verdict.js';

const signs: Readonly<Record<Severity, readonly [sign: string, word: string]>> = {
  broken: ['✕', 'Broken: '],
  warning: ['!', 'Warning: '],
  fine: ['✓', 'Fine: '],
};

export function showVerdict(findings: readonly Finding[]): void {
  const [worst, ...others] = findings;
  if (worst === undefined) return;
  const panel = byId('verdict');
  panel.className = worst.severity;
  show(
    panel,
    element('div', { class: `headline ${worst.severity}` }, ...parts(worst, 'h1')),
    element(
      'ul',
      { class: 'plain-list' },
      ...others.map((finding) => element('li', { class: finding.severity }, ...parts(finding, 'span'))),
    ),
  );
  document.title = `${signs[worst.severity][0]} ${worst.text} – mysql-tls-proxy`;
}

function parts({ severity, text, cause, cure, section }: Finding, tag: string): HTMLElement[] {
  const [sign, word] = signs[severity];
  return [
    element('span', { class: `mark ${severity}`, 'aria-hidden': 'true' }, sign),
    element(
      'div',
      {},
      element(
        tag,
        { class: 'finding', dir: 'auto' },
        spoken(word),
        element('a', { href: `#${section}` }, ...prose(text)),
      ),
      cause !== '' && element('p', { dir: 'auto' }, ...prose(cause)),
      cure !== '' && element('p', { class: 'cure', dir: 'auto' }, ...prose(cure)),
    ),
  ];
}

let announced = '';

/** Reads the headline aloud when it is another one than before, not when only its numbers changed. */
export function announce({ key, severity, text, cause, cure }: Finding): void {
  const kind = `${severity} ${key}`;
  if (kind === announced) return;
  announced = kind;
  byId('spoken-verdict').textContent = `${signs[severity][1]}${text} ${cause} ${cure}`.trim();
}
