/** Judges Kubernetes documents by the published schemas, which the kubernetes-models packages hold as validators and as types. */
import { symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { checkoutFolder } from '../support/cache.js';
import { run } from '../support/run.js';

export interface KubernetesDocument {
  readonly file: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly content: Readonly<Record<string, unknown>>;
}

const packagesOfGroups: Readonly<Record<string, string>> = {
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'cert-manager.io': '@kubernetes-models/cert-manager',
};

type Model = new (content: unknown) => { validate(): void };

/** What is missing, of the wrong type or out of range. */
export async function faultsIn({ file, apiVersion, kind, content }: KubernetesDocument): Promise<string[]> {
  const models: Record<string, Model | undefined> = await import(moduleOf(apiVersion));
  const Model = models[kind];
  if (Model === undefined) return [`${file}: ${apiVersion} has no ${kind}`];
  try {
    new Model(content).validate();
    return [];
  } catch (error) {
    return [`${file}: ${error instanceof Error ? error.message : error}`];
  }
}

/**
 * What the schemas do not know, which the validators let through as the API server would by default. The compiler does not: each document
 * becomes a literal of its type. `folder` is an empty one.
 */
export async function unknownFieldsIn(
  documents: readonly KubernetesDocument[],
  folder: string,
): Promise<string> {
  const source = documents.map(
    ({ apiVersion, kind, content }, index) =>
      `import type { I${kind} as Kind${index} } from '${moduleOf(apiVersion)}';\n` +
      `export const document${index}: Kind${index} = ${JSON.stringify(content, undefined, 2)};\n`,
  );
  writeFileSync(path.join(folder, 'documents.mts'), source.join('\n'));
  symlinkSync(path.join(checkoutFolder, 'node_modules'), path.join(folder, 'node_modules'));
  const tsc = path.join(checkoutFolder, 'node_modules/typescript/bin/tsc');
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'];
  const { stdout, stderr } = await run(process.execPath, [tsc, ...options, '--types', '', 'documents.mts'], {
    cwd: folder,
  });
  return stdout + stderr;
}

function moduleOf(apiVersion: string): string {
  const group = apiVersion.split('/')[0] ?? '';
  return `${packagesOfGroups[group] ?? 'kubernetes-models'}/${apiVersion}`;
}
