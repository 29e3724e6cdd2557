// What ajv says of JSON values. The argument is a file with a document and a list of
// [place of a schema in the document, JSON]; prints a list of booleans.

import { readFileSync } from 'node:fs';

import { schemasOf } from './schemas.ts';

const given: { document: object; cases: [string, string][] } = JSON.parse(
  readFileSync(process.argv[2], 'utf8'),
);
const schemaAt = schemasOf(given.document);
console.log(JSON.stringify(given.cases.map(([place, text]) => schemaAt(place)(JSON.parse(text)))));
