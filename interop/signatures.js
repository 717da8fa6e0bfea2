// Makes and confirms signatures with the SDK. Reads from stdin
// {partner_id, api_key, generate: [timestamp], confirm: [{timestamp, signature}]}
// and writes {generated: [{timestamp, signature}], confirmed: [boolean]}.
// A null timestamp to generate leaves the SDK's own default, the current time.
const fs = require('fs');
const { Signature } = require('smile-identity-core');

const input = JSON.parse(fs.readFileSync(0, 'utf8'));
const sdk = new Signature(input.partner_id, input.api_key);

const output = {
  generated: input.generate.map((timestamp) => sdk.generate_signature(timestamp ?? undefined)),
  confirmed: input.confirm.map((pair) => sdk.confirm_signature(pair.timestamp, pair.signature)),
};
process.stdout.write(JSON.stringify(output));
