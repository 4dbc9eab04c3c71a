/** Flags that are about the configuration itself, so that they are not part of a file. */
export const commandLineOptions = [
  {
    name: 'config',
    metavar: 'FILE',
    environment: true,
    description:
      'Read options from this file (.yaml, .yml or .json); flags and environment variables take precedence',
  },
  {
    name: 'check-config',
    metavar: '',
    environment: false,
    description: 'Say all that is wrong with the configuration, and exit with 0 (valid) or 2',
  },
  {
    name: 'print-config',
    metavar: '',
    environment: false,
    description: 'Print the configuration in use as a file, with where each value came from, and exit',
  },
] as const;
