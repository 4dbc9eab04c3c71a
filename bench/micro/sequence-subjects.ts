/** Packets of recorded logins, passed on under the sequence ids of the other leg. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { PacketPort } from '../../src/proxy/packet-port.js';
import { encodePacket } from '../../src/wire/framing.js';
import { Packet } from './mysql2-internals.js';
import type { Subject, Variant } from './subject.js';

/** Behind an SSLRequest of the proxy's own, whose id is 1. */
const FIRST_ID = 2;

/** Writes one payload under the next id. */
type Write = (index: number) => void;

export function sequenceSubjects(payloads: readonly Buffer[]): Subject[] {
  const subject = (name: string, variant: Variant, open: (sink: Sink) => Write): Subject => {
    const sink = new Sink();
    const write = open(sink);
    return {
      ...{ group: 'sequence ids', traffic: 'login packets', name, variant },
      packets: payloads.length,
      bytes: payloads.reduce((sum, { length }) => sum + length, 0),
      pass: () => {
        for (let index = 0; index < payloads.length; index++) write(index);
        return sink.latest.length;
      },
      outcome: () => {
        const fresh = new Sink();
        const writeFresh = open(fresh);
        return payloads.map((_payload, index) => {
          writeFresh(index);
          return Buffer.from(fresh.latest);
        });
      },
    };
  };
  const counting = (write: (sink: Sink, index: number, id: number) => void) => (sink: Sink) => {
    let id = FIRST_ID;
    return (index: number) => {
      write(sink, index, id);
      id = (id + 1) & 0xff;
    };
  };
  const payloadAt = (index: number) => payloads[index] ?? Buffer.alloc(0);
  // As they would be kept by a reader that does not take headers off.
  const received = payloads.map((payload) => encodePacket(0, payload));
  const receivedAt = (index: number) => received[index] ?? Buffer.alloc(0);
  const mysql2Packets = payloads.map((payload) => {
    const packet = encodePacket(0, payload);
    return new Packet(0, packet, 0, packet.length);
  });

  return [
    subject('PacketPort.write', 'shipping', (sink) => {
      const socket = sink as unknown as Socket;
      const port = new PacketPort(socket, { leg: 'server', peer: 'bench', nextSequenceId: FIRST_ID });
      return (index) => port.write(payloadAt(index));
    }),
    subject(
      'concat of header and payload',
      'rejected',
      counting((sink, index, id) => {
        const payload = payloadAt(index);
        const header = Buffer.alloc(4);
        header.writeUIntLE(payload.length, 0, 3);
        header.writeUInt8(id, 3);
        sink.write(Buffer.concat([header, payload]));
      }),
    ),
    subject(
      'id patched in the packet as received',
      'rejected',
      counting((sink, index, id) => {
        const packet = receivedAt(index);
        packet[3] = id;
        sink.write(packet);
      }),
    ),
    subject(
      "mysql2's Packet.writeHeader",
      'mysql2',
      counting((sink, index, id) => {
        const packet = mysql2Packets[index];
        if (packet === undefined) return;
        packet.writeHeader(id);
        sink.write(packet.buffer);
      }),
    ),
  ];
}

/** In the place of a socket. */
class Sink extends EventEmitter {
  latest: Buffer = Buffer.alloc(0);
  /** As a socket that has been written to in this turn already: how it sends is not what is measured. */
  readonly writableCorked = 1;

  write(bytes: Buffer): boolean {
    this.latest = bytes;
    return true;
  }
}
