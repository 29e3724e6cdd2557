// What a frontend does, with the client that @hey-api/openapi-ts generates. Its zod schemas validate
// each request and response, and ajv validates each response too. API_URL is the service, API_TOKEN
// the token of an administrator, and DOCUMENT the file of its OpenAPI document. Fails with an error, or prints "ok".

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { client } from './generated/typescript/client.gen.ts';
import * as api from './generated/typescript/sdk.gen.ts';
import type { AthletePage, ListAthletesResponses, Problem } from './generated/typescript/types.gen.ts';
import { zListAthletesResponse, zProblem } from './generated/typescript/zod.gen.ts';
import { pointer, schemasOf } from './schemas.ts';

client.setConfig({ baseUrl: process.env.API_URL, auth: process.env.API_TOKEN });

const document = JSON.parse(readFileSync(process.env.DOCUMENT ?? '', 'utf8'));
const schemaAt = schemasOf(document);
let validated = 0;
client.interceptors.response.use(async (response, request, { url }) => {
  const type = response.headers.get('Content-Type');
  if (type?.endsWith('json')) {
    const path = url in document.paths ? url : new URL(request.url).pathname;
    const operation = pointer('paths', path, request.method.toLowerCase());
    const answer = pointer('responses', `${response.status}`, 'content', type, 'schema');
    const isValid = schemaAt(operation + answer);
    assert.ok(isValid(await response.clone().json()), JSON.stringify(isValid.errors));
    validated += 1;
  }
  return response;
});

type Result<Data> = { data?: Data; error?: unknown; response?: Response };

// The client returns what went wrong, errors of its validator too, in `error`.
function ok<Data>(result: Result<Data>, status: number): Data {
  assert.ifError(result.error ?? null);
  assert.equal(result.response?.status, status);
  assert.ok(result.data !== undefined);
  return result.data;
}

function problem(result: { error?: Problem; response?: Response }, type: Problem['type']): Problem {
  const found = zProblem.parse(result.error);
  assert.equal(found.type, type);
  assert.equal(result.response?.status, found.status);
  return found;
}

// Create.
const category = ok(await api.createCategory({ body: { name: 'Rx' } }), 201);
const centre = ok(
  await api.createCentre({ body: { name: 'Northside', time_zone: 'Europe/Lisbon', capacity: 40 } }),
  201,
);
const created = await api.createAthlete({
  body: {
    name: 'Łucja Nowak',
    reference: 'M-1',
    email: 'łucja@bücher.example',
    birth_date: '1994-05-17',
    sex: 'female',
    height_cm: 168.3,
    weight_kg: 64.07,
    category_id: category.id,
    centre_ids: [centre.id],
  },
  headers: { 'Idempotency-Key': 'lucja-1' },
});
const athlete = ok(created, 201);
assert.equal(created.response?.headers.get('Location'), `/api/v1/athletes/${athlete.id}`);
assert.deepEqual([athlete.height_cm, athlete.weight_kg], [168.3, 64.07]);
assert.deepEqual(athlete.category, { id: category.id, name: 'Rx' });
assert.equal(new Date(athlete.created_at).getUTCFullYear(), new Date().getUTCFullYear());

// List, page by `next`.
const longest = '\u{1d538}'.repeat(100); // 100 characters, and 200 units of UTF-16
for (const name of ['Ana', 'Bea', 'Cid', longest]) {
  ok(await api.createAthlete({ body: { name, category_id: category.id } }), 201);
}
let page: AthletePage = ok(await api.listAthletes({ query: { limit: 2, total: true } }), 200);
assert.equal(page.total, 5);
const names = page.items.map((one) => one.name);
while (page.next !== null) {
  const next = await client.get<ListAthletesResponses, Problem>({
    url: page.next,
    security: [{ type: 'http', scheme: 'bearer' }],
    responseValidator: async (data) => zListAthletesResponse.parseAsync(data),
  });
  page = ok<AthletePage>(next, 200);
  names.push(...page.items.map((one) => one.name));
}
assert.deepEqual(names, [longest, 'Ana', 'Bea', 'Cid', 'Łucja Nowak']);

// An ETag: 304, then a PATCH with null, and 412 for the one that is too late.
const path = { athlete_id: athlete.id };
const read = await api.getAthlete({ path });
assert.deepEqual(ok(read, 200), athlete);
const tag = read.response?.headers.get('ETag') ?? '';
const again = await api.getAthlete({ path, headers: { 'If-None-Match': tag } });
assert.equal(again.response?.status, 304);
const patch = { path, headers: { 'If-Match': tag } };
const patched = ok(await api.updateAthlete({ ...patch, body: { reference: null } }), 200);
// An administrator has the full view, which has an email address. That of a coach has none.
assert('email' in patched);
assert.deepEqual([patched.reference, patched.email, patched.version], [null, athlete.email, 2]);
problem(
  await api.updateAthlete({ ...patch, body: { name: 'Too late' } }),
  '/problems/precondition-failed',
);

// Typed problems.
const taken = problem(
  await api.createCategory({ body: { name: ' RX ' } }),
  '/problems/already-taken',
);
assert.deepEqual(taken.errors.map((one) => one.pointer), ['/name']);
const nobody = { athlete_id: '019aa8a5-3f0c-7c4e-9d0f-6f2d1c7a5b10' };
problem(await api.getAthlete({ path: nobody }), '/problems/not-found');

// Book: one seat, so the second waits, and gets the seat when the first cancels.
const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
const training = ok(
  await api.createTraining({
    body: {
      name: 'Morning WOD',
      starts_at: inHours(1),
      ends_at: inHours(2),
      capacity: 1,
      centre_id: centre.id,
    },
  }),
  201,
);
const others = ok(await api.listAthletes({ query: { name_prefix: 'an' } }), 200).items;
assert.equal(others.length, 1);
const at = { path: { training_id: training.id } };
const first = ok(await api.createBooking({ ...at, body: { athlete_id: athlete.id } }), 201);
const second = ok(await api.createBooking({ ...at, body: { athlete_id: others[0].id } }), 201);
assert.deepEqual([first.status, second.status], ['reserved', 'waitlisted']);
problem(
  await api.createBooking({ ...at, body: { athlete_id: athlete.id } }),
  '/problems/already-taken',
);
const cancelled = ok(await api.cancelBooking({ path: { booking_id: first.id } }), 200);
assert.ok(cancelled.status === 'cancelled' && cancelled.cancelled_at !== null);
const promoted = ok(await api.getBooking({ path: { booking_id: second.id } }), 200);
assert.equal(promoted.status, 'reserved');
const query = { from: inHours(0), to: inHours(24) };
assert.equal(ok(await api.listTrainings({ query }), 200).items[0].seats.taken, 1);
ok(await api.getOccupancy({ path: { centre_id: centre.id }, query: { at: inHours(1.5) } }), 200);

// Import and export.
const body = 'reference,name,category\nM-2,Émile,Rx\nM-3,Zoë,\n';
const report = ok(await api.importAthletes({ body }), 200);
assert.deepEqual([report.created, report.rejected], [1, 1]);
const exported = ok(await api.exportAthletes(), 200);
assert.match(exported, /Émile/);

// Delete.
const [emile] = ok(await api.listAthletes({ query: { reference: 'M-2' } }), 200).items;
const gone = await api.deleteAthlete({ path: { athlete_id: emile.id } });
assert.equal(gone.response?.status, 204);

assert.equal(validated, 26); // each response with JSON
console.log('ok');
