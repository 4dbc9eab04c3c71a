/** Target against baseline, figure by figure: where the ranges of their rounds overlap, no difference was shown. */
import type { ComparedFigure, Comparison, SideResult } from './result.js';
import { isDifferent, type Spread } from './spread.js';

const FIGURES: readonly (readonly [ComparedFigure, (side: SideResult) => Spread | undefined])[] = [
  ['queryP50', ({ queries }) => queries.p50],
  ['queryP99', ({ queries }) => queries.p99],
  ['queriesPerSecond', ({ queries }) => queries.perSecond],
  ['connectP50', ({ connects }) => connects?.p50],
  ['connectP99', ({ connects }) => connects?.p99],
  ['connectionsPerSecond', ({ connects }) => connects?.perSecond],
];

export function compareSides(target: SideResult, baseline: SideResult): readonly Comparison[] {
  return FIGURES.flatMap(([figure, spreadIn]) => {
    const [ours, theirs] = [spreadIn(target), spreadIn(baseline)];
    return ours === undefined || theirs === undefined ? [] : [compare(figure, ours, theirs)];
  });
}

export function compare(figure: ComparedFigure, target: Spread, baseline: Spread): Comparison {
  const absolute = target.median - baseline.median;
  const difference = isDifferent(target, baseline)
    ? { absolute, percent: (absolute / baseline.median) * 100 }
    : undefined;
  return { figure, target, baseline, difference };
}
