#!/usr/bin/env node
/** The file that runs. All else is loaded only when V8 knows how much memory to use: loading alone makes it take more. */
import './young-generation.js';

await import('./command-line.js');
