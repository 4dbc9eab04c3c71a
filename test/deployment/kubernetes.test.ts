/** config/kubernetes: the published schemas know every field, and what has to fit together does. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { packageVersion } from '../../src/version.js';
import { checkoutFolder } from '../support/cache.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder, removeTemporaryFolder } from '../support/clean-up.js';
import { assignment, readDockerfile } from '../support/dockerfile.js';
import { checkConfig, valid, writeSecret } from './checked-config.js';
import { drainTime } from './drain-time.js';
import { faultsIn, type KubernetesDocument, unknownFieldsIn } from './kubernetes-schemas.js';

// biome-ignore lint/suspicious/noExplicitAny: the schemas say what is in them, and the first test asks these.
type Content = any;

const folder = makeTemporaryFolder();
chmodSync(folder, 0o755);
after(() => removeTemporaryFolder(folder));
const ways = ['shared', 'sidecar'] as const;
type Way = (typeof ways)[number];

const documents: Record<Way, KubernetesDocument[]> = {
  shared: documentsOf('shared'),
  sidecar: documentsOf('sidecar'),
};

/** YAML 1.1, as Kubernetes reads it: 0440 is octal. */
function documentsOf(way: Way): KubernetesDocument[] {
  return filesOf(way).flatMap((name) => {
    const file = `config/kubernetes/${way}/${name}`;
    const text = readFileSync(path.join(checkoutFolder, file), 'utf8');
    return parseAllDocuments(text, { version: '1.1' }).map((document) => {
      assert.deepEqual([...document.errors, ...document.warnings], [], file);
      const content: Content = document.toJS();
      return { file, apiVersion: content.apiVersion, kind: content.kind, content };
    });
  });
}

function filesOf(way: Way): string[] {
  return readdirSync(path.join(checkoutFolder, 'config/kubernetes', way)).sort();
}

const find = (way: Way, kind: string): Content => {
  const found = documents[way].filter((document) => document.kind === kind);
  assert.equal(found.length, 1, `${kind} in ${way}`);
  return found[0]?.content;
};
const all = (way: Way, kind: string): Content[] =>
  documents[way].filter((document) => document.kind === kind).map(({ content }) => content);

const podOf = (way: Way): Content => find(way, 'Deployment').spec.template;
const proxyOf = (way: Way): Content => {
  const { initContainers = [], containers } = podOf(way).spec;
  return [...initContainers, ...containers].find(({ image }: Content) => image === 'mysql-tls-proxy');
};
const rootOf = (way: Way): string => path.join(folder, `root-${way}`);
const configText = (way: Way): string => find(way, 'ConfigMap').data['proxy.yaml'];
const configOf = (way: Way): Content => parse(configText(way));
const portOf = (address: string): number => Number(address.split(':').at(-1));
const portsOf = (container: Content): Record<string, number> =>
  Object.fromEntries(container.ports.map(({ name, containerPort }: Content) => [name, containerPort]));

test('every document is as the published schemas want it', async () => {
  const judged = ways.flatMap((way) => documents[way]).filter(({ kind }) => kind !== 'Kustomization');
  assert.ok(judged.length >= 12, `only ${judged.length} documents`);
  assert.deepEqual((await Promise.all(judged.map(faultsIn))).flat(), []);
  const strict = path.join(folder, 'strict');
  mkdirSync(strict);
  assert.equal(await unknownFieldsIn(judged, strict), '');
});

test('what the schemas do not allow is found in each of our kinds', async () => {
  const judged = ways.flatMap((way) => documents[way]).filter(({ kind }) => kind !== 'Kustomization');
  const misspelt = judged.map((document) => ({
    ...document,
    content: { ...document.content, metaData: {} },
  }));
  const strict = path.join(folder, 'misspelt');
  mkdirSync(strict);
  const complaints = await unknownFieldsIn(misspelt, strict);
  assert.equal(complaints.match(/'"metaData"' does not exist in type/g)?.length, judged.length);

  const deployment = structuredClone(find('shared', 'Deployment'));
  deployment.spec.template.spec.containers[0].readinessProbe.periodSecond = 5;
  deployment.spec.replicas = 'two';
  const document = { file: 'broken', apiVersion: 'apps/v1', kind: 'Deployment', content: deployment };
  assert.match((await faultsIn(document)).join('\n'), /replicas/);
  const deep = path.join(folder, 'deep');
  mkdirSync(deep);
  assert.match(await unknownFieldsIn([document], deep), /periodSecond/);
});

for (const way of ways) {
  test(`${way}: kustomize takes every file, and the image of this version`, () => {
    const { resources, images } = find(way, 'Kustomization');
    assert.deepEqual([...resources, 'kustomization.yaml'].sort(), filesOf(way));
    assert.deepEqual(
      images.map(({ name, newTag }: Content) => [name, newTag]),
      [['mysql-tls-proxy', packageVersion()]],
    );
  });

  test(`${way}: the proxy takes its configuration from the volumes of the pod`, async () => {
    const root = rootOf(way);
    const mounts: Content[] = proxyOf(way).volumeMounts;
    for (const { mountPath, name } of mounts) mountVolume(path.join(root, mountPath), way, name);
    const config = path.join(root, '/etc/mysql-tls-proxy/config/proxy.yaml');
    assert.deepEqual(proxyOf(way).args, ['--config', config.slice(root.length)]);
    assert.deepEqual(await checkConfig(config, { STATE_DIRECTORY: path.join(root, stateFolder) }), valid);
  });

  test(`${way}: the ports and probes are those of the configuration`, () => {
    const proxy = proxyOf(way);
    const [admin, mysql] = [proxy.startupProbe.httpGet.port, 'mysql'];
    const config = configOf(way);
    const ports = portsOf(proxy);
    assert.equal(ports[admin], portOf(config['admin-listen']));
    if (way === 'shared') assert.equal(ports[mysql], portOf(config.listen));
    // A probe comes from outside of the pod.
    assert.match(config['admin-listen'], /^0\.0\.0\.0:/);
    assert.deepEqual(proxy.startupProbe.httpGet, { path: '/livez', port: admin });
    assert.deepEqual(proxy.livenessProbe.httpGet, { path: '/livez', port: admin });
    assert.deepEqual(proxy.readinessProbe.httpGet, { path: '/readyz', port: admin });
  });

  test(`${way}: the kubelet waits until the proxy has drained`, () => {
    const grace = podOf(way).spec.terminationGracePeriodSeconds;
    assert.ok(grace * 1000 > drainTime(configOf(way)), `${grace} s`);
  });

  test(`${way}: the container is the image of the Dockerfile, confined`, () => {
    const { securityContext: ofPod, ...pod } = podOf(way).spec;
    const { securityContext, volumeMounts } = proxyOf(way);
    const { runAsNonRoot, runAsUser, runAsGroup, ...confined } = { ...ofPod, ...securityContext };
    assert.equal(`${runAsUser}:${runAsGroup}`, ofImage('USER'));
    assert.equal(runAsNonRoot, true);
    assert.equal(confined.readOnlyRootFilesystem, true);
    assert.equal(confined.allowPrivilegeEscalation, false);
    assert.deepEqual(confined.capabilities, { drop: ['ALL'] });
    assert.deepEqual(confined.seccompProfile, { type: 'RuntimeDefault' });
    assert.equal(pod.automountServiceAccountToken, false);
    const writable = volumeMounts.filter(({ readOnly }: Content) => readOnly !== true);
    assert.deepEqual(
      writable.map(({ mountPath }: Content) => mountPath),
      [stateFolder],
    );
    // Files that are mounted one by one are not renewed.
    for (const mount of volumeMounts) assert.equal('subPath' in mount, false);
  });

  test(`${way}: selectors and labels match`, () => {
    const labels = podOf(way).metadata.labels;
    const selectors: Content[] = [
      find(way, 'Deployment').spec.selector.matchLabels,
      ...all(way, 'PodDisruptionBudget').map(({ spec }) => spec.selector.matchLabels),
      ...all(way, 'NetworkPolicy').map(({ spec }) => spec.podSelector.matchLabels),
      ...all(way, 'PodMonitor').map(({ spec }) => spec.selector.matchLabels),
      ...all(way, 'Service').map(({ spec }) => spec.selector),
      ...(podOf(way).spec.topologySpreadConstraints ?? []).map(
        (spread: Content) => spread.labelSelector.matchLabels,
      ),
    ];
    for (const selector of selectors) assert.deepEqual(selector, labels);
  });
}

test('shared: what stands in front of the pods leads to their ports', () => {
  const ports = portsOf(proxyOf('shared'));
  const [service] = find('shared', 'Service').spec.ports;
  assert.equal(ports[service.targetPort], service.port);
  const [clients, monitoring] = find('shared', 'NetworkPolicy').spec.ingress;
  assert.deepEqual(clients.ports, [{ protocol: 'TCP', port: ports['mysql'] }]);
  assert.deepEqual(monitoring.ports, [{ protocol: 'TCP', port: ports['admin'] }]);
  const egress = find('shared', 'NetworkPolicy').spec.egress.flatMap((rule: Content) => rule.ports);
  assert.ok(egress.some(({ port }: Content) => port === portOf(configOf('shared').server)));
  const [endpoint] = find('shared', 'PodMonitor').spec.podMetricsEndpoints;
  assert.deepEqual([endpoint.port in ports, endpoint.path], [true, '/metrics']);
});

test('shared: there are always two, no rollout takes one away early, and few go at a time', () => {
  const { replicas, strategy } = find('shared', 'Deployment').spec;
  assert.equal(replicas, undefined);
  assert.equal(strategy.rollingUpdate.maxUnavailable, 0);
  const { scaleTargetRef, minReplicas, metrics, behavior } = find('shared', 'HorizontalPodAutoscaler').spec;
  assert.deepEqual(
    [scaleTargetRef.kind, scaleTargetRef.name],
    ['Deployment', find('shared', 'Deployment').metadata.name],
  );
  assert.ok(minReplicas >= 2);
  assert.equal(metrics[0].resource.name, 'cpu');
  assert.ok(proxyOf('shared').resources.requests.cpu, 'utilization is that of the request');
  const [policy] = behavior.scaleDown.policies;
  assert.equal(policy.value, 1);
  assert.ok(
    policy.periodSeconds * 1000 > drainTime(configOf('shared')),
    'the next goes when the one before has drained',
  );
});

test('shared: the certificates are the Secrets that the pod mounts, each for its leg', () => {
  const certificates = new Map(all('shared', 'Certificate').map(({ spec }) => [spec.secretName, spec]));
  const secrets = podOf('shared').spec.volumes.flatMap(({ secret }: Content) => secret?.secretName ?? []);
  assert.deepEqual([...certificates.keys()].sort(), secrets.sort());
  assert.ok(certificates.get('mysql-tls-proxy-client-leg')?.usages.includes('server auth'));
  assert.ok(certificates.get('mysql-tls-proxy-server-leg')?.usages.includes('client auth'));
  const { name } = find('shared', 'Service').metadata;
  const { namespace } = find('shared', 'Kustomization');
  const names = [
    name,
    `${name}.${namespace}`,
    `${name}.${namespace}.svc`,
    `${name}.${namespace}.svc.cluster.local`,
  ];
  assert.deepEqual(certificates.get('mysql-tls-proxy-client-leg')?.dnsNames, names);
});

test('shared: the group of the proxy, and nobody else, can read the Secrets', () => {
  const { securityContext, volumes } = podOf('shared').spec;
  assert.equal(securityContext.fsGroup, securityContext.runAsGroup);
  const modes = volumes.flatMap(({ secret }: Content) => secret?.defaultMode ?? []);
  assert.deepEqual(modes, [0o440, 0o440]);
});

test('sidecar: only the pod reaches the proxy, which starts before the application and ends after it', () => {
  const { listen } = configOf('sidecar');
  assert.match(listen, /^127\.0\.0\.1:\d+$/);
  const { initContainers, containers } = podOf('sidecar').spec;
  assert.equal(initContainers[0].restartPolicy, 'Always');
  assert.ok(initContainers[0].startupProbe);
  const env = Object.fromEntries(containers[0].env.map(({ name, value }: Content) => [name, value]));
  assert.equal(`${env.MYSQL_HOST}:${env.MYSQL_PORT}`, listen);
});

const lastStage = readDockerfile(
  readFileSync(path.join(checkoutFolder, 'config/docker/Dockerfile'), 'utf8'),
).at(-1);
const ofImage = (name: string): string =>
  lastStage?.instructions.find((found) => found.name === name)?.text ?? '';
const [, stateFolder] = assignment(
  lastStage?.instructions.find(({ text }) => text.startsWith('STATE_DIRECTORY='))?.text ?? '',
);

const certificates = makeCertificates(folder);
const secretFiles: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'mysql-tls-proxy-client-leg': {
    'tls.crt': certificates.server.certificate,
    'tls.key': certificates.server.key,
  },
  'mysql-tls-proxy-server-leg': {
    'tls.crt': certificates.client.certificate,
    'tls.key': certificates.client.key,
  },
};
const caFiles = { 'ca.crt': certificates.ca.certificate };

/** As the kubelet does it: the files are links into a folder that is replaced as a whole. */
function mountVolume(place: string, way: Way, name: string): void {
  mkdirSync(place, { recursive: true });
  const volume: Content = podOf(way).spec.volumes.find((found: Content) => found.name === name);
  if (volume.emptyDir !== undefined) {
    chmodSync(place, 0o777);
    return;
  }
  const current = path.join(place, '..2026');
  mkdirSync(current);
  symlinkSync('..2026', path.join(place, '..data'));
  for (const [file, text] of Object.entries<string>(filesIn(volume, way))) {
    const target = path.join(current, file);
    if (volume.secret !== undefined) writeSecret(target, text, 'root');
    else writeFileSync(target, text.replaceAll(' /etc/', ` ${rootOf(way)}/etc/`));
    symlinkSync(path.join('..data', file), path.join(place, file));
  }
}

function filesIn({ secret, configMap }: Content, way: Way): Readonly<Record<string, string>> {
  if (secret !== undefined) return secretFiles[secret.secretName] ?? {};
  return configMap.name === 'mysql-server-ca' ? caFiles : find(way, 'ConfigMap').data;
}
