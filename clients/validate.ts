// What ajv says of JSON values. The argument is a file with a document and a list of
// [place of a schema in the document, JSON]; prints a list of booleans.

import { readFileSync } from 'node:fs';

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const { document, cases } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
// Strict mode refuses the words that OpenAPI adds to JSON Schema, and unknown formats.
const ajv = new Ajv2020({ strict: false, logger: false });
addFormats.default(ajv);
ajv.addSchema(document, 'document');

const compiled = new Map<string, ValidateFunction>();
function accepts([place, text]: [string, string]): boolean {
  const known = compiled.get(place) ?? ajv.compile({ $ref: `document#${place}` });
  compiled.set(place, known);
  return known(JSON.parse(text));
}
console.log(JSON.stringify(cases.map(accepts)));
