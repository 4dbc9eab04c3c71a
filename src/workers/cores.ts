/** How many processes can work at once here: what `--workers auto` stands for. */
import { readFileSync } from 'node:fs';
import os from 'node:os';

/** Cores that the process may run on, or as many as its control group may use the time of, rounded up; at least 1. */
export function usableCores(groupRoot = '/sys/fs/cgroup'): number {
  const cores = os.availableParallelism();
  const quota = cpuQuota(groupRoot);
  return Math.max(1, quota === undefined ? cores : Math.min(cores, Math.ceil(quota)));
}

/**
 * In cores, as containers and systemd's CPUQuota set it; undefined where there is none. A container sees its own group at
 * the root of the tree.
 */
function cpuQuota(groupRoot: string): number | undefined {
  const [limit, period] = read(`${groupRoot}${ownGroup()}/cpu.max`) ?? read(`${groupRoot}/cpu.max`) ?? [];
  const quota =
    limit === undefined
      ? Number(read(`${groupRoot}/cpu/cpu.cfs_quota_us`)?.[0]) /
        Number(read(`${groupRoot}/cpu/cpu.cfs_period_us`)?.[0])
      : Number(limit) / Number(period);
  return Number.isFinite(quota) && quota > 0 ? quota : undefined;
}

/** Of control groups version 2, as in `0::/system.slice/mysql-tls-proxy.service`. */
function ownGroup(): string {
  try {
    return /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]?.replace(/\/$/, '') ?? '';
  } catch {
    return '';
  }
}

function read(file: string): string[] | undefined {
  try {
    return readFileSync(file, 'utf8').trim().split(/\s+/);
  } catch {
    return undefined;
  }
}
