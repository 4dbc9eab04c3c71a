/** Reads a Dockerfile, as far as ours goes: no heredocs, no escape directive, no ONBUILD. */

export interface Instruction {
  /** In capitals. */
  readonly name: string;
  /** `--from=build` as `{ from: 'build' }`. */
  readonly flags: Readonly<Record<string, string>>;
  /** All that follows, in one line. */
  readonly text: string;
}

export interface Stage {
  readonly image: string;
  /** Its name, else its number. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

/** Arguments from before the first FROM are put in with their defaults. */
export function readDockerfile(source: string): Stage[] {
  const defaults = new Map<string, string>();
  const stages: { image: string; name: string; instructions: Instruction[] }[] = [];
  for (const instruction of instructionsIn(source)) {
    const { name, text } = instruction;
    const stage = stages.at(-1);
    if (name === 'FROM') {
      const [image = '', , alias] = text.split(/\s+/);
      stages.push({
        image: image.replace(/\$\{(\w+)\}/g, (_, argument) => defaults.get(argument) ?? ''),
        name: alias ?? String(stages.length),
        instructions: [],
      });
    } else if (stage !== undefined) stage.instructions.push(instruction);
    else if (name === 'ARG') defaults.set(...assignment(text));
    else throw new Error(`${name} stands before the first FROM`);
  }
  return stages;
}

export function assignment(text: string): [name: string, value: string] {
  const [name = '', ...value] = text.split('=');
  return [name, value.join('=')];
}

/** The form that runs the program itself, and no shell, so that signals reach it. */
export function execForm(text: string): string[] {
  const words: unknown = JSON.parse(text);
  if (Array.isArray(words) && words.every((word) => typeof word === 'string')) return words;
  throw new Error(`not a list of texts: ${text}`);
}

function instructionsIn(source: string): Instruction[] {
  const withoutComments = source.replace(/^\s*#.*\n/gm, '');
  const lines = withoutComments.replace(/\\\n\s*/g, '').split('\n');
  return lines.filter((line) => line.trim() !== '').map(instructionOf);
}

function instructionOf(line: string): Instruction {
  const [, name = '', flagText = '', text = ''] =
    /^(\w+)((?:\s+--[\w-]+=\S+)*)\s+(.*)$/.exec(line.trim()) ?? [];
  if (name === '') throw new Error(`not an instruction: ${line}`);
  const flags = flagText.trim() === '' ? [] : flagText.trim().split(/\s+/);
  return {
    name: name.toUpperCase(),
    flags: Object.fromEntries(flags.map((flag) => assignment(flag.slice(2)))),
    text: text.trim(),
  };
}
