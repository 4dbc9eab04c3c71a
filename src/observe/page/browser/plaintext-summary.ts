/** What the plaintext report lets one say about --client-ssl-mode REQUIRED, and no more than that. */
import type { ProxyState } from '../../state/state.js';
import { count, counted, listed, moment } from './format.js';
import { isWeak } from './tls-kinds.js';

export interface PlaintextSummary {
  readonly text: string;
  /** Where, and since when, clients are watched. */
  readonly seen: string;
}

export function plaintextSummary(state: ProxyState): PlaintextSummary {
  const { plaintext, plaintext_outcomes: outcomes, at: now } = state;
  const { routes, since, dropped } = plaintext;
  const places = routes.length === 1 ? `route ${routes[0]}` : `routes ${listed(routes)}`;
  const seen = `since ${moment(since, now)} on ${places}`;
  const total = clientsInReport(state);
  const weakNow = weakConnections(state);
  const isHarmless = outcomes.refused + outcomes.unknown + dropped + weakNow === 0;
  if (isHarmless && total === 0) {
    const text = `Every client was on TLS 1.2 or newer ${seen}: --client-ssl-mode REQUIRED would refuse nobody.`;
    return { text, seen };
  }
  if (isHarmless) return { text: '--client-ssl-mode REQUIRED would refuse nobody.', seen };
  const parts = [
    total > 0 && ofClients(state),
    dropped > 0 &&
      `${counted(dropped, 'client')} had no room in the report: what REQUIRED would do to them is not known.`,
    total === 0 &&
      weakNow > 0 &&
      `${counted(weakNow, 'connection')} not on TLS 1.2 or newer ${weakNow === 1 ? 'is' : 'are'} open now, of which the report says nothing: what REQUIRED would do to them is not known.`,
  ];
  return { text: parts.filter((part) => part !== false).join(' '), seen };
}

/** Those that only the count knows, included. */
export const clientsInReport = ({ plaintext_outcomes: outcomes }: ProxyState): number =>
  outcomes.refused + outcomes.unknown + outcomes.accepted;

function ofClients(state: ProxyState): string {
  const { refused, unknown } = state.plaintext_outcomes;
  const clients = counted(clientsInReport(state), 'client');
  const others = unknown === 0 ? '' : `; of ${count(unknown)} it is not known`;
  return `With --client-ssl-mode REQUIRED, ${count(refused)} of these ${clients} would be refused${others}.`;
}

function weakConnections({ tls, plaintext: { routes } }: ProxyState): number {
  const weak = tls.filter(
    ({ leg, route, version }) => leg === 'client' && routes.includes(route) && isWeak(version),
  );
  return weak.reduce((total, { connections }) => total + connections, 0);
}
