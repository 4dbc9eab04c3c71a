/** The sections that are lists: routes and servers, certificates, failures, the footer. */
import type { FailureState, ProxyState, RouteState, ServerState } from '../../state/state.js';
import {
  type CertificateInUse,
  daysLeft,
  distinctCertificates,
  unreadableDate,
  validityOf,
} from './certificates.js';
import { type Child, element, notice, prose } from './dom.js';
import {
  calendarDay,
  count,
  counted,
  duration,
  latency,
  listed,
  moment,
  sentence,
  timeZone,
} from './format.js';
import { standingOf } from './servers.js';

const mostEntries = 100;

const cut = <T>(
  all: readonly T[],
  noun: string,
  shown: (one: T, index: number) => HTMLElement,
): HTMLElement[] => {
  const nodes = all.slice(0, mostEntries).map(shown);
  if (all.length <= mostEntries) return nodes;
  return [...nodes, notice(`${counted(all.length - mostEntries, `more ${noun}`)} not shown.`)];
};

export function routeCards(state: ProxyState): HTMLElement[] {
  return cut(state.routes, 'route', (route) => routeCard(route, state));
}

function routeCard(route: RouteState, state: ProxyState): HTMLElement {
  const servers = state.servers.filter((server) => server.route === route.route);
  return element(
    'article',
    { class: 'route', 'data-key': route.route },
    element(
      'h3',
      {},
      route.route,
      element('span', { class: 'muted' }, ...prose(` ${route.listen.join(', ')}`)),
    ),
    element(
      'p',
      { class: 'muted' },
      `TLS: clients ${route.client_ssl_mode}, servers ${route.server_ssl_mode}`,
    ),
    element(
      'ul',
      { class: 'plain-list' },
      ...cut(servers, 'server', (server) => serverItem(server, state.at)),
    ),
  );
}

function serverItem(server: ServerState, now: number): HTMLElement {
  const { since, tried_at: at, connect_seconds: seconds, server_version: version, connections } = server;
  const tried = at === null ? '' : moment(at, now);
  const name = element('b', {}, ...prose(server.server));
  const item = (cssClass: string, sign: HTMLElement, ...content: Child[]): HTMLElement =>
    element('li', { class: cssClass, 'data-key': server.server }, sign, element('div', {}, name, ...content));
  const standing = standingOf(server, now);
  if (standing === 'not needed') return item('server', mark('unknown', '○'), ' was not needed yet');
  if (standing !== 'up') {
    const isDown = standing === 'down';
    const downSince = since === null ? ' is down' : ` is down since ${moment(since, now)}`;
    return item(
      `server ${standing}`,
      isDown ? mark('broken', '✕') : mark('warning', '!'),
      isDown ? downSince : ` did not answer when it was last needed, at ${tried}`,
      element('p', { dir: 'auto' }, ...prose(sentence(server.cause))),
      element('p', { class: 'cure', dir: 'auto' }, ...prose(sentence(server.cure))),
      isDown && element('p', { class: 'muted' }, `Tried last at ${tried}`),
    );
  }
  const greeting = seconds === null ? '' : `greeted in ${latency(seconds)} at ${tried}`;
  const open = connections === 0 ? '' : counted(connections, 'connection');
  const facts = [open, version, greeting].filter((text) => text !== '').join(', ');
  return item('server', mark('fine', '✓'), ' answers', element('p', { class: 'muted', dir: 'auto' }, facts));
}

const mark = (kind: string, sign: string): HTMLElement =>
  element('span', { class: `mark ${kind}`, 'aria-hidden': 'true' }, sign);

export function certificateList({ certificates, at }: ProxyState): HTMLElement[] {
  if (certificates.length === 0)
    return [notice('The proxy has no certificates, and no server has shown one yet.')];
  const items = cut(distinctCertificates(certificates), 'certificate', (certificate) =>
    certificateItem(certificate, at),
  );
  return [element('ul', { class: 'plain-list' }, ...items)];
}

const roles = { own: 'of the proxy', ca: 'CA', peer: 'of the server' };
const validitySigns = { broken: '✕', warning: '!', unreadable: '!', fine: '✓' };

function certificateItem(certificate: CertificateInUse, now: number): HTMLElement {
  const { subject, source, not_after: until, leg, role, routes, option } = certificate;
  const validity = validityOf(certificate, now);
  const kind = validity === 'unreadable' ? 'warning' : validity;
  const places = `${routes.length === 1 ? 'route' : 'routes'} ${listed(routes)}`;
  return element(
    'li',
    { class: 'certificate' },
    element(
      'div',
      { class: `left ${kind}` },
      mark(kind, validitySigns[validity]),
      element('b', {}, timeLeft(certificate, now)),
      until !== null && element('span', { class: 'muted' }, `until ${calendarDay(until)}`),
    ),
    element(
      'div',
      {},
      element('div', { class: 'subject', dir: 'auto' }, subject || '(no subject)'),
      element('div', { class: 'muted' }, `${leg} leg, ${roles[role]}, ${places}`),
      element(
        'div',
        { class: 'muted source', dir: 'auto' },
        `${option === '' ? '' : `--${option} `}${source}`,
      ),
    ),
  );
}

function timeLeft({ not_before: from, not_after: until }: CertificateInUse, now: number): string {
  if (from !== null && now < from) return 'not valid yet';
  if (until !== null && until <= now) return 'expired';
  if (from === null || until === null) return unreadableDate;
  const days = daysLeft(until, now);
  return days === 0 ? 'less than a day' : counted(days, 'day');
}

/** `problem`: why nothing is kept about clients; empty where it is. */
export function failureList({ failures, started_at: start, at }: ProxyState, problem: string): HTMLElement[] {
  if (failures.length === 0 && problem !== '') return [notice(problem)];
  if (failures.length === 0) return [notice(`No failure since the start at ${moment(start, at)}.`)];
  return [
    element(
      'ul',
      { class: 'plain-list' },
      ...cut(failures, 'failure', (failure) => failureItem(failure, at)),
    ),
  ];
}

function failureItem(failure: FailureState, now: number): HTMLElement {
  const {
    first_at: first,
    last_at: last,
    count: times,
    code,
    user,
    client_address: address,
    server,
  } = failure;
  const who = [user, address].filter((part) => part !== '').join(' from ');
  const path = [who, failure.route === '' ? '' : `route ${failure.route}`, server].filter(
    (part) => part !== '',
  );
  const often = times === 1 ? '' : `, ${count(times)} times since ${moment(first, now)}`;
  return element(
    'li',
    {
      class: 'failure',
      'data-key': JSON.stringify([code, failure.leg, failure.route, address, user, server]),
    },
    element(
      'div',
      { class: 'failure-head' },
      element('b', {}, moment(last, now)),
      often,
      ' ',
      element('span', { class: 'code' }, code),
    ),
    element('p', { class: 'cause', dir: 'auto' }, ...prose(sentence(failure.cause))),
    failure.cure !== '' && element('p', { class: 'cure', dir: 'auto' }, ...prose(sentence(failure.cure))),
    element('p', { class: 'muted', dir: 'auto' }, ...prose(path.join(' → '))),
  );
}

export function factsLine({ connections, started_at: start, at }: ProxyState): string {
  const { active, limit, total, rejected, commands } = connections;
  const facts = [
    `${count(active)} of at most ${counted(limit, 'connection')} open`,
    `${count(total)} came since ${moment(start, at)}, ${count(rejected)} of them failed`,
    counted(commands, 'command'),
  ];
  return facts.join(' · ');
}

export function footerFacts(state: ProxyState): HTMLElement[] {
  const { succeeded, failed, last_success_at: last, last_failure_at: failedAt } = state.reloads;
  const lastFailed = failedAt === null ? '' : `, the last at ${moment(failedAt, state.at)}`;
  const reloads = `${count(succeeded)}, ${count(failed)} failed${lastFailed}`;
  return [
    fact('Version', state.version),
    fact('Node.js', state.node),
    fact('OpenSSL', state.openssl),
    fact('Up for', duration(state.at - state.started_at)),
    fact('Reloads', `${reloads}; files read at ${moment(last, state.at)}`),
    fact('Times on this page', `in ${timeZone(state.at)}; logs are in UTC`),
  ];
}

const fact = (name: string, value: string): HTMLElement =>
  element('span', {}, element('span', { class: 'muted' }, `${name} `), value);
