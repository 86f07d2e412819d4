// What a dashboard written in JavaScript does with a reader's user; prints one JSON object for test_javascript.py.
import { createClient } from '@clickhouse/client'

const [url, username, database, many] = process.argv.slice(2) // many: rows of a long answer
const password = process.env.READER_PASSWORD
const open = (more) => createClient({ url, username, password, database, request_timeout: 20_000, ...more })
const found = {}

const client = open()
found.ping = (await client.ping()).success
found.rows = await (await client.query({ query: 'SELECT toUInt32(id), place FROM places ORDER BY id', format: 'JSONCompactEachRow' })).json()
found.parameter = (await (await client.query({
  query: 'SELECT {name: String} AS name, {ids: Array(UInt32)} AS ids',
  query_params: { name: "it's 城关\t\\", ids: [1, 2] },
  format: 'JSON',
})).json()).data

let streamed = 0
const stream = (await client.query({ query: `SELECT number FROM numbers(${many})`, format: 'JSONEachRow' })).stream()
for await (const rows of stream) streamed += rows.length
found.streamed = streamed

found.refused = {}
for (const query of ['SELECT * FROM hub.secret', "SELECT file('/etc/hostname')", 'DROP VIEW places', 'SELECT 1; SELECT 2']) {
  try {
    await (await client.query({ query, format: 'JSONEachRow' })).json()
    found.refused[query] = null
  } catch (error) {
    found.refused[query] = error.code ?? String(error)
  }
}

try { // an error after rows were sent
  const late = await client.query({ query: `SELECT throwIf(number = ${many} - 10) FROM numbers(${many})`, format: 'JSONEachRow' })
  for await (const rows of late.stream()) void rows
  found.late = null
} catch (error) {
  found.late = error.code ?? String(error)
}

const controller = new AbortController()
setTimeout(() => controller.abort(), 200)
try {
  const endless = await client.query({
    query: 'SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))',
    format: 'JSON',
    abort_signal: controller.signal,
  })
  await endless.json()
  found.aborted = false
} catch {
  found.aborted = true
}
await client.close()

const packed = open({ compression: { response: true } })
found.packed = (await (await packed.query({ query: 'SELECT toUInt32(count()) AS rows FROM numbers(10000)', format: 'JSON' })).json()).data
await packed.close()

const stranger = open({ password: 'wrong' })
try {
  await stranger.query({ query: 'SELECT 1' })
  found.stranger = null
} catch (error) {
  found.stranger = error.code ?? String(error)
}
await stranger.close()

console.log(JSON.stringify(found))
