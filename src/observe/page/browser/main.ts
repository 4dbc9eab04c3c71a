/** Puts the page together: what arrives from the proxy, what the person does, and which section shows what. */
import type { ProxyState } from '../../state/state.js';
import { indexAt, pointsInWindow } from './chart-window.js';
import { chartPictures, chartTable, moveCursor, removeCursor } from './charts.js';
import { Connections } from './connections.js';
import { byId } from './dom.js';
import { flowPicture } from './flow.js';
import { clock, sentence } from './format.js';
import { show } from './patch.js';
import { plaintextInventory } from './plaintext.js';
import { certificateList, factsLine, failureList, footerFacts, routeCards } from './sections.js';
import { StateStream } from './stream.js';
import { findingsIn } from './verdict.js';
import { announce, showVerdict } from './verdict-panel.js';

let latest: ProxyState | undefined;
/** What `/plaintext` said instead of a report, so why nothing is kept of clients; and of which start of the proxy it was asked. */
let whyNothingKept = '';
let askedWhyOf = 0;
let isPaused = false;

const flowArea = byId('flow');
const connections = new Connections(() => showFlow());
const stream = new StateStream({ state: stateArrived, lost: connectionLost });

function stateArrived(state: ProxyState): void {
  // The page is of the version that it came with.
  if (latest !== undefined && latest.version !== state.version) {
    stream.stop();
    location.reload();
    return;
  }
  if (latest?.started_at !== state.started_at) connections.forgetOpened();
  latest = state;
  document.body.classList.remove('waiting', 'lost');
  byId('banner').textContent = '';
  byId('status').textContent = `Live, ${clock(state.at)}`;
  showState();
  connections.stateChanged(state);
  void askWhyNothingKept(state);
}

function connectionLost(answer: string): void {
  document.body.classList.add('lost');
  byId('status').textContent = 'Not connected';
  const known =
    latest === undefined ? 'Nothing is known yet' : `This page shows what was known at ${clock(latest.at)}`;
  const why =
    answer === '' ? 'The connection to the proxy is lost.' : `The proxy answers: ${sentence(answer)}`;
  setText(byId('banner'), `${why} ${known}. Trying again …`);
}

function showState(): void {
  if (latest === undefined) return;
  const findings = findingsIn(latest);
  showVerdict(findings);
  if (findings[0] !== undefined) announce(findings[0]);
  setText(byId('facts'), factsLine(latest));
  showFlow();
  showCharts();
  show(byId('route-list'), ...routeCards(latest));
  show(byId('certificate-list'), ...certificateList(latest));
  show(byId('failure-list'), ...failureList(latest, whyNothingKept));
  show(byId('inventory'), ...plaintextInventory(latest, whyNothingKept));
  show(byId('footer-facts'), ...footerFacts(latest));
}

function showFlow(): void {
  if (latest !== undefined) show(flowArea, ...flowPicture(latest, flowArea.clientWidth));
}

function showCharts(): void {
  if (latest === undefined) return;
  show(byId('charts'), ...chartPictures(latest));
  show(byId('chart-table'), ...chartTable(latest));
}

/** A report of no routes is either turned off, or not to be had at all: then `/plaintext` says why. */
async function askWhyNothingKept({ plaintext, started_at: startedAt }: ProxyState): Promise<void> {
  if (plaintext.routes.length > 0 || askedWhyOf === startedAt) return;
  askedWhyOf = startedAt;
  const response = await fetch('plaintext').catch(() => undefined);
  if (response === undefined) {
    askedWhyOf = 0;
    return;
  }
  whyNothingKept = response.ok ? '' : await response.text();
  showState();
}

/** Without a change nothing is touched, so that nothing is read aloud twice. */
function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

byId('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  followIfWanted();
  document.body.classList.toggle('paused', isPaused);
  // Nobody is trying again now.
  if (isPaused) document.body.classList.remove('lost');
  if (isPaused) byId('banner').textContent = '';
  byId('pause').textContent = isPaused ? 'Resume' : 'Pause';
  byId('status').textContent = isPaused
    ? `Paused${latest ? `, as of ${clock(latest.at)}` : ''}`
    : 'Connecting …';
});

/** A browser opens few connections to one host, so a tab that nobody sees leaves its own to others. */
function followIfWanted(): void {
  if (isPaused || document.hidden) stream.stop();
  else stream.start();
}

document.addEventListener('visibilitychange', followIfWanted);

/** The values of a filter stand on the element that was clicked, or on one around it. */
function filterOf(event: Event): HTMLElement | SVGElement | null {
  return (event.target as Element).closest<HTMLElement | SVGElement>('[data-filters]');
}

function toggleFilter(event: Event): void {
  const filters = filterOf(event)?.dataset['filters'];
  if (filters !== undefined) connections.toggle(JSON.parse(filters), flowArea.contains(event.target as Node));
}

flowArea.addEventListener('click', toggleFilter);
byId('connection-list').addEventListener('click', toggleFilter);
// Parts of a drawing are no buttons by themselves.
flowArea.addEventListener('keydown', (event) => {
  if ((event.key !== 'Enter' && event.key !== ' ') || filterOf(event) === null) return;
  event.preventDefault();
  toggleFilter(event);
});
new ResizeObserver(() => showFlow()).observe(flowArea);

const charts = byId('charts');

const cursorMoves: Readonly<Record<string, (index: number) => number>> = {
  ArrowLeft: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  ArrowDown: (index) => index - 1,
  ArrowUp: (index) => index + 1,
  PageUp: (index) => index - 15,
  PageDown: (index) => index + 15,
  Home: () => 0,
  End: () => Number.POSITIVE_INFINITY,
};

charts.addEventListener('keydown', (event) => {
  const move = cursorMoves[event.key];
  if (latest === undefined || (move === undefined && event.key !== 'Escape')) return;
  event.preventDefault();
  if (move === undefined) removeCursor();
  else moveCursor(latest.history, move);
  showCharts();
});

charts.addEventListener('pointermove', (event) => {
  const plot = (event.target as Element).closest('.plot')?.querySelector('svg');
  if (latest === undefined || !plot) return;
  const { left, width } = plot.getBoundingClientRect();
  const index = indexAt(pointsInWindow(latest.history), (event.clientX - left) / width);
  moveCursor(latest.history, () => index);
  showCharts();
});

charts.addEventListener('pointerleave', () => {
  removeCursor();
  showCharts();
});

followIfWanted();
