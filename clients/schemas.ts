// The schemas of an OpenAPI document, compiled by ajv when they are first used.

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

// Returns the validator of the schema at a place, which is a JSON Pointer into the document.
export function schemasOf(document: object): (place: string) => ValidateFunction {
  // Strict mode refuses the words that OpenAPI adds to JSON Schema, and unknown formats.
  const ajv = new Ajv2020({ strict: false, logger: false });
  addFormats.default(ajv);
  ajv.addSchema(document, 'document');
  const compiled = new Map<string, ValidateFunction>();
  return (place) => {
    const known = compiled.get(place) ?? ajv.compile({ $ref: `document#${place}` });
    compiled.set(place, known);
    return known;
  };
}

export function pointer(...steps: string[]): string {
  return steps.map((step) => `/${encodeURI(step.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');
}
