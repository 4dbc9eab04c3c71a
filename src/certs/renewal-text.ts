/** What a renewal did, for people. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { BUNDLE_FILE, CA_FILE } from './certificate-folder.js';
import type { RenewalPlan } from './renewal.js';

export function renewalText({ steps, files, renewsCa }: RenewalPlan, folder: string): string {
  const lines = steps.map(({ file, outcome, text }) => `${file}: ${outcome}, ${text}`);
  if (files.length === 0) lines.push('nothing was written');
  else lines.push('', 'Servers and the proxy go on with the old certificates until they reload their files.');
  if (renewsCa) {
    lines.push(
      `The CA has a new validity: distribute ${path.join(folder, CA_FILE)} anew, before the old one expires. ` +
        'Until then both are accepted.',
    );
  }
  const bundle = path.join(folder, BUNDLE_FILE);
  if (files.length > 0 && existsSync(bundle))
    lines.push(`${bundle} holds the old certificates; make it anew: mysql-tls-proxy certs bundle --force`);
  return `${lines.join('\n')}\n`;
}
