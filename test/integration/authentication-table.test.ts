/**
 * Every way to log in: each plugin that a client can have, each that an account can have, all legs, right and wrong
 * passwords, always with nothing in the server's cache. No password is ever on a plaintext wire.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LoginAnswer, logIn } from '../support/auth-client.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { serverKinds } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import {
  accountKinds,
  type Cell,
  cellsOf,
  clients,
  nameOfCell,
  passwords,
  userOf,
  ways,
} from './authentication-cells.js';
import { expectedOutcome, type Outcome } from './authentication-rules.js';
import { type AuthenticationSetup, prepareAuthentication } from './authentication-setup.js';
import { nameOf, orSkip } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const names = new Set<string>();

// The servers do most of the work: each in a process of its own.
describe('authentication', { concurrency: serverKinds.length }, () => {
  for (const kind of serverKinds) {
    describe(nameOf[kind], { concurrency: false }, () => {
      let setup: AuthenticationSetup | Unavailable;
      before(async () => {
        setup = await prepareAuthentication(kind, certificates);
      });
      after(async () => {
        if (!isUnavailable(setup)) await setup.close();
      });

      for (const account of accountKinds.filter(({ server }) => server === kind)) {
        for (const way of ways) {
          for (const client of clients) {
            const cells = cellsOf(client, account, way);
            for (const cell of cells) names.add(nameOfCell(cell));
            test(`${account.plugin}, ${way}, ${client.name}`, async (t) => {
              const ready = orSkip(t, setup);
              if (ready === undefined) return;
              const faults: string[] = [];
              for (const cell of cells) {
                for (const fault of await faultsOf(cell, ready)) faults.push(`${nameOfCell(cell)}: ${fault}`);
              }
              assert.deepEqual(faults, []);
            });
          }
        }
      }
    });
  }
});

test('the table has no hole', () => {
  const [clientKinds, accounts, waysToLogIn, clientLegs, serverLegs, passwordCases] = [7, 6, 3, 3, 2, 4];
  assert.equal(names.size, clientKinds * accounts * waysToLogIn * clientLegs * serverLegs * passwordCases);
});

async function faultsOf(cell: Cell, setup: AuthenticationSetup): Promise<string[]> {
  const user = userOf(cell.account, cell.password);
  await setup.makeCold();
  setup.takeServerBytes();
  const login = { user, password: passwords[cell.password] };
  const { answer, onPlaintextWire } = await logIn(cell.client, setup.targetOf(cell), login);
  const onServerWire = cell.serverLeg === 'plaintext' ? setup.takeServerBytes() : [];
  const outcome = expectedOutcome(cell);
  return [
    ...(isAsExpected(answer, outcome, user)
      ? []
      : [`${JSON.stringify(answer)} instead of ${shown(outcome)}`]),
    ...(holdsPassword(onPlaintextWire) ? ['the password was on the wire of the client'] : []),
    ...(holdsPassword(onServerWire) ? ['the password was on the wire of the server'] : []),
    ...(cell.serverLeg === 'plaintext' && Buffer.concat(onServerWire).length === 0
      ? ['nothing was recorded']
      : []),
  ];
}

function isAsExpected(answer: LoginAnswer, expected: Outcome, user: string): boolean {
  if (expected.kind === 'logged in') return 'loggedInAs' in answer && answer.loggedInAs === `${user}@%`;
  if (expected.kind === 'gave up') {
    if (!('ownError' in answer)) return false;
    return answer.ownError.errno === expected.errno && expected.message.test(answer.ownError.message);
  }
  if (!('refusal' in answer)) return false;
  const { errno, sqlState, message } = answer.refusal;
  return errno === expected.errno && sqlState === expected.sqlState && expected.message.test(message);
}

function shown(outcome: Outcome): string {
  if (outcome.kind === 'logged in') return outcome.kind;
  return `${outcome.kind}: ${outcome.errno} ${outcome.message}`;
}

function holdsPassword(wires: readonly Buffer[]): boolean {
  return wires.some((bytes) => bytes.includes(passwords.right) || bytes.includes(passwords.wrong));
}
