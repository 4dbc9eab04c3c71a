import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Script } from 'node:vm';
import { loadPage } from '../../../../src/observe/page/page.js';

const { html, contentSecurityPolicy } = loadPage();
const contentsOf = (tag: string): string[] =>
  [...html.matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, 'g'))].map(
    ([, content = '']) => content,
  );
const scripts = contentsOf('script');
const styles = contentsOf('style');
const markup = [...scripts, ...styles].reduce((rest, content) => rest.replace(content, ''), html);

test('there is one script and one style, and the policy lets exactly these run', () => {
  assert.equal(scripts.length, 1);
  assert.equal(styles.length, 1);
  const hash = (text = ''): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const rules = new Map(
    contentSecurityPolicy.split('; ').map((rule) => {
      const [name = '', ...values] = rule.split(' ');
      return [name, values.join(' ')];
    }),
  );
  assert.deepEqual(Object.fromEntries(rules), {
    'default-src': "'none'",
    'script-src': hash(scripts[0]),
    'style-src': hash(styles[0]),
    'connect-src': "'self'",
    'img-src': 'data:',
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
  });
});

test('the script holds every module, and nothing that only a module may hold', () => {
  const [script = ''] = scripts;
  new Script(script);
  assert.doesNotMatch(script, /^\s*(import|export)\b/m);
  for (const name of ['findingsIn', 'flowPicture', 'chartPictures', 'plaintextInventory', 'StateStream'])
    assert.match(script, new RegExp(`(function|class) ${name}\\b`));
});

test('the page names no other site, and has no style or handler that the policy would have to allow', () => {
  const namespace = 'http://www.w3.org/2000/svg';
  assert.deepEqual(
    html.replaceAll(namespace, '').match(/\b(?:https?|wss?):\/\/[^\s'"]*|@import|\burl\((?!#)/g),
    null,
  );
  assert.deepEqual(markup.match(/\s(?:src|on\w+|style|srcset|action)=/g), null);
  assert.deepEqual(markup.match(/href="(?!#|data:|metrics"|state"|readyz"|livez")[^"]*"/g), null);
});

test('no code path turns text into markup or into code', () => {
  assert.deepEqual(
    html.match(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|DOMParser|\beval\(|new Function/g,
    ),
    null,
  );
});

test('the whole page is small', () => {
  const size = Buffer.byteLength(html);
  assert.ok(size < 100_000, `${size} bytes`);
  assert.ok(size > 20_000, `${size} bytes can not be all of it`);
});
