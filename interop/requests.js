// Sends requests with the SDK. Reads from stdin
// {partner_id, api_key, server, callback_url, calls: [name]}
// and writes for each call {name, answer}, or {name, error, status} if the SDK
// rejects its promise; status is that of the HTTP answer, if that is why.
const fs = require('fs');
const { IDApi, Utilities, WebApi } = require('smile-identity-core');

const { partner_id, api_key, server, callback_url, calls } = JSON.parse(fs.readFileSync(0, 'utf8'));
const idApi = new IDApi(partner_id, api_key, server);
const webApi = new WebApi(partner_id, callback_url, api_key, server);
const utilities = new Utilities(partner_id, api_key, server);

// People and pictures are made up.
const params = (job_id, job_type) => ({ user_id: 'user-1', job_id, job_type });
const idInfo = {
  first_name: 'Amara', last_name: 'Example', country: 'NG', id_type: 'BVN', id_number: '00000000000', entered: true,
};
const selfie = { image_type_id: 2, image: Buffer.from('not a picture').toString('base64') };
const noRetries = 0;

const sdk = {
  'IDApi.submit_job': () => idApi.submit_job(params('id-1', 5), idInfo),
  'IDApi.submit_job business': () => idApi.submit_job(params('id-2', 7), idInfo),
  'IDApi.submitAsyncjob': () => idApi.submitAsyncjob(params('id-3', 5), idInfo, callback_url),
  'IDApi.submitAsyncjob business': () => idApi.submitAsyncjob(params('id-4', 7), idInfo, callback_url),
  'IDApi.pollJobStatus': () => idApi.pollJobStatus(params('id-3', 5), noRetries),
  'WebApi.submit_job': () => webApi.submit_job(params('web-1', 1), [selfie], idInfo, { return_job_status: true }),
  'WebApi.submit_job ID': () => webApi.submit_job(params('web-2', 5), [], idInfo),
  'WebApi.get_job_status': () => webApi.get_job_status(params('web-1', 1), { return_history: true, return_images: true }),
  'WebApi.get_web_token': () => webApi.get_web_token({ user_id: 'user-1', job_id: 'web-3', product: 'biometric_kyc' }),
  'Utilities.get_job_status': () => utilities.get_job_status('user-1', 'web-1'),
};

const run = async (name) => {
  try {
    return { name, answer: await sdk[name]() };
  } catch (error) {
    return { name, error: error.message, status: error.response?.status };
  }
};

(async () => {
  const output = [];
  for (const name of calls) output.push(await run(name));
  process.stdout.write(JSON.stringify(output));
})();
