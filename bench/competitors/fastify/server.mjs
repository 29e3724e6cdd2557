/**
 * The part of the CrossFit API that the benchmark uses, in the usual style of Node: Fastify, pg,
 * plain SQL in prepared statements, rows converted to objects here and to JSON by schemas.
 *
 * The fields of athletes come from docs/openapi.json.
 *
 * Environment: DATABASE_URL, a database with the service's migrations, and PORT (0: any free port).
 */

import { randomFillSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import pg from 'pg'

// ---- Schemas, made from the service's OpenAPI document: Fastify validates requests and serializes
// responses by them.

const DOCUMENT = new URL('../../../docs/openapi.json', import.meta.url)
const ATHLETES = '/api/v1/athletes'
const { paths, components: { schemas: documented } } = JSON.parse(readFileSync(DOCUMENT))

const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties) })
const list = (items) => ({ type: 'array', items })
const known = (properties) => ({ type: 'object', properties, additionalProperties: false })
const each = (properties, convert) =>
  Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, convert(schema)]))

/** Resolve a reference, and replace `anyOf` by `nullable`: Fastify would try each choice of it. */
function simple ({ $ref, anyOf, ...schema }) {
  if ($ref) return simple(documented[$ref.split('/').at(-1)])
  if (anyOf) return { ...simple(anyOf.find(({ type }) => type !== 'null')), nullable: true }
  return schema
}

/** Return the schema by which Fastify serializes a value of a documented schema. */
function outgoing (schema) {
  const { type, format, enum: values, items, properties, nullable } = simple(schema)
  if (type === 'object') return object(each(properties, outgoing))
  if (type === 'array') return list(outgoing(items))
  // Such values never contain a character to escape.
  const unescaped = values || ['uuid', 'date', 'date-time'].includes(format)
  return { type, ...(unescaped && { format: 'unsafe' }), ...(nullable && { nullable }) }
}

const UUID = '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'
const FORMATS = {
  uuid: { pattern: UUID }, date: { format: 'date' }, 'idn-email': { format: 'email' }
}

/** Return the schema by which Fastify validates a value: formats as usual, without `pattern`s. */
function incoming (schema) {
  const { title, description, examples, pattern, multipleOf, format, ...rest } = simple(schema)
  if (rest.items) rest.items = incoming(rest.items)
  if (rest.enum && rest.nullable) rest.enum = [...rest.enum, null]
  return { ...rest, ...FORMATS[format] }
}

const athleteRead = outgoing(documented.AthleteRead)
const athleteSummary = outgoing(documented.AthleteSummary)
const athletePage = object({ items: list(athleteSummary) })

const { required, properties } = documented.AthleteCreate
const { centre_ids: centreIds, ...fields } = each(properties, incoming)
const athleteCreate = { ...known({ ...fields, centre_ids: centreIds }), required }

const asked = paths[ATHLETES].get.parameters
  .filter(({ name }) => ['limit', 'offset', 'centre_id', 'name'].includes(name))
  .map(({ name, schema }) => [name, schema])
const athletesQuery = known(each(Object.fromEntries(asked), incoming))

// ---- The database.

const { DATE, NUMERIC, TIMESTAMPTZ } = pg.types.builtins
pg.types.setTypeParser(DATE, (text) => text)
pg.types.setTypeParser(NUMERIC, Number)
pg.types.setTypeParser(TIMESTAMPTZ, (text) => `${text.replace(' ', 'T')}:00`) // UTC ends in +00

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL, max: 10, options: '-c timezone=UTC'
})
pool.on('error', (error) => console.error(error.message)) // an idle connection is lost

const statementNames = new Map()

/** Run a statement that each connection prepares once; each text has its own statement name. */
function query (text, values, connection = pool) {
  if (!statementNames.has(text)) statementNames.set(text, `statement_${statementNames.size}`)
  return connection.query({ name: statementNames.get(text), text, values })
}

/** Return the columns that a response takes from the row of the athlete. */
const columnsOf = ({ properties }) => Object.keys(properties)
  .filter((name) => !['object', 'array'].includes(properties[name].type))
  .map((name) => `a.${name}`).join(', ')

/** Select an athlete: one row for each centre, or one row if there is no centre. */
const selectAthlete = (table, where = '') => `
  SELECT ${columnsOf(athleteRead)}, a.category_id,
         category.name AS category_name, centre.id AS centre_id, centre.name AS centre_name
  FROM ${table} a
  JOIN categories category ON category.id = a.category_id
  LEFT JOIN (enrolments e JOIN centres centre ON centre.id = e.centre_id) ON e.athlete_id = a.id
  ${where}
  ORDER BY centre.name_key`

const FIND = selectAthlete('athletes', 'WHERE a.id = $1')
const ENROL = `
  INSERT INTO enrolments (athlete_id, centre_id)
  SELECT $1::uuid, unnest($2::uuid[]) ON CONFLICT DO NOTHING`
const CENTRES_OF_ATHLETES = `
  SELECT e.athlete_id, centre.id, centre.name
  FROM enrolments e JOIN centres centre ON centre.id = e.centre_id
  WHERE e.athlete_id = ANY($1::uuid[])
  ORDER BY centre.name_key`

const categoryOf = (row) => ({ id: row.category_id, name: row.category_name })

function athleteOf ({ rows: [row, ...others] }) {
  if (row === undefined) return null
  const centres = row.centre_id === null
    ? []
    : [row, ...others].map((each) => ({ id: each.centre_id, name: each.centre_name }))
  return { ...row, category: categoryOf(row), centres }
}

async function listAthletes ({ limit, offset, centre_id: centreId, name }) {
  const values = []
  const value = (given) => `$${values.push(given)}`
  const conditions = ['true']
  if (name !== undefined) conditions.push(`strpos(name_key, ${value(name.toLowerCase())}) > 0`)
  if (centreId !== undefined) {
    const enrolled = `SELECT athlete_id FROM enrolments WHERE centre_id = ${value(centreId)}`
    conditions.push(`id IN (${enrolled})`)
  }
  // The limit is part of the text, because PostgreSQL plans badly for an unknown limit.
  const { rows } = await query(`
    SELECT ${columnsOf(athleteSummary)}, a.category_id, category.name AS category_name
    FROM (
      SELECT * FROM athletes WHERE ${conditions.join(' AND ')} ORDER BY name_key, id
      LIMIT ${limit} ${offset === undefined ? '' : `OFFSET ${value(offset)}`}
    ) a
    JOIN categories category ON category.id = a.category_id
    ORDER BY a.name_key, a.id`, values)
  const items = rows.map((row) => ({ ...row, category: categoryOf(row), centres: [] }))
  const centresOf = new Map(items.map((athlete) => [athlete.id, athlete.centres]))
  const enrolments = await query(CENTRES_OF_ATHLETES, [[...centresOf.keys()]])
  for (const { athlete_id: athleteId, id, name } of enrolments.rows) {
    centresOf.get(athleteId).push({ id, name })
  }
  return { items }
}

/** Return the columns in which a request body is stored, and their values. */
function written (body) {
  const row = {}
  for (const field of Object.keys(fields)) if (field in body) row[field] = body[field]
  if ('name' in row) row.name_key = row.name.toLowerCase()
  if ('email' in row) row.email_key = row.email?.toLowerCase() ?? null
  return [Object.keys(row), Object.values(row)]
}

function uuid7 () {
  const bytes = randomFillSync(Buffer.allocUnsafe(16))
  bytes.writeUIntBE(Date.now(), 0, 6)
  bytes[6] = (bytes[6] & 0x0f) | 0x70
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  return bytes.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5')
}

async function createAthlete ({ centre_ids: centreIds = [], ...body }) {
  const id = uuid7()
  const [columns, values] = written(body)
  const places = columns.map((_, index) => `$${index + 2}`)
  const insert = `
    INSERT INTO athletes (id, ${columns.join(', ')}) VALUES ($1, ${places.join(', ')})`
  const connection = await pool.connect()
  try {
    await connection.query('BEGIN')
    await query(insert, [id, ...values], connection)
    if (centreIds.length > 0) await query(ENROL, [id, centreIds], connection)
    await connection.query('COMMIT')
    return athleteOf(await query(FIND, [id], connection))
  } catch (error) {
    await connection.query('ROLLBACK')
    throw error
  } finally {
    connection.release()
  }
}

async function updateAthlete (id, body) {
  const [columns, values] = written(body)
  if (columns.length === 0) return athleteOf(await query(FIND, [id]))
  const assignments = columns.map((column, index) => `${column} = $${index + 2}`)
  return athleteOf(await query(`
    WITH updated AS (
      UPDATE athletes
      SET ${assignments.join(', ')}, version = version + 1, updated_at = statement_timestamp()
      WHERE id = $1 RETURNING *
    ) ${selectAthlete('updated')}`, [id, ...values]))
}

// ---- The routes.

const app = Fastify({ logger: false, ajv: { customOptions: { removeAdditional: false } } })

// Violations of a foreign key, of a unique constraint and of a CHECK constraint.
const STATUS_OF_ERROR = { 23503: 409, 23505: 409, 23514: 422 }

app.setErrorHandler((error, request, reply) => {
  const status = error.validation ? 422 : STATUS_OF_ERROR[error.code] ?? error.statusCode ?? 500
  if (status === 500) console.error(error)
  reply.code(status).send({ status, detail: status === 500 ? 'Internal error' : error.message })
})

const orNotFound = (found, reply) =>
  found ?? reply.code(404).send({ status: 404, detail: 'There is no such athlete.' })

const params = object({ id: fields.category_id })
const one = { params, response: { 200: athleteRead } }

app.get(`${ATHLETES}/:id`, { schema: one }, async ({ params: { id } }, reply) =>
  orNotFound(athleteOf(await query(FIND, [id])), reply))

const many = { querystring: athletesQuery, response: { 200: athletePage } }
app.get(ATHLETES, { schema: many }, (request) => listAthletes(request.query))

const creation = { body: athleteCreate, response: { 201: athleteRead } }
app.post(ATHLETES, { schema: creation }, async ({ body }, reply) =>
  reply.code(201).send(await createAthlete(body)))

const change = { ...one, body: known(fields) }
app.patch(`${ATHLETES}/:id`, { schema: change }, async ({ params: { id }, body }, reply) =>
  orNotFound(await updateAthlete(id, body), reply))

app.delete(`${ATHLETES}/:id`, { schema: { params } }, async ({ params: { id } }, reply) => {
  const { rowCount } = await query('DELETE FROM athletes WHERE id = $1', [id])
  return rowCount === 0 ? orNotFound(null, reply) : reply.code(204).send()
})

app.addHook('onClose', () => pool.end())
process.once('SIGTERM', () => app.close())

await pool.query('SELECT 1') // so that it is ready only with its database
console.log(`ready ${await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 0) })}`)
