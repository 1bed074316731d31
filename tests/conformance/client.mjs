// The steps by OpenAI's own client for Node: what came back of each, a line a step, in the words of steps.json.
import { readFileSync } from "node:fs";
import OpenAI, { APIError } from "openai";

const [, , address, own, steps] = process.argv;
const clients = new Map();
const LACKS = { "a count of tokens": "OpenAI has no route for it that the gateway serves" };

// One for all steps, but for a stranger's.
function client(key = own) {
  if (!clients.has(key)) clients.set(key, new OpenAI({ baseURL: `${address}/v1`, apiKey: key, maxRetries: 0, timeout: 30000 }));
  return clients.get(key);
}

function requestOf(step) {
  const messages = [{ role: "user", content: step.name }, ...(step.then ?? [])];
  return { model: step.model ?? "assistant", messages, ...step.ask };
}

function usageOf(usage) {
  return usage ? [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens] : null;
}

function choiceOf({ message, finish_reason, logprobs }) {
  return {
    content: message.content ?? "",
    reasoning: message.reasoning_content ?? "",
    calls: (message.tool_calls ?? []).map((call) => [call.id, call.function.name, JSON.parse(call.function.arguments)]),
    finish_reason,
    logprobs: (logprobs?.content ?? []).map((each) => [each.token, each.logprob]),
  };
}

function hear(known, { delta, finish_reason }) {
  known.content += delta.content ?? "";
  known.reasoning += delta.reasoning_content ?? "";
  known.finish_reason = finish_reason ?? known.finish_reason;
  for (const { index, id, function: said } of delta.tool_calls ?? []) {
    const call = (known.calls[index] ??= ["", "", ""]);
    [id, said?.name, said?.arguments].forEach((piece, place) => (call[place] += piece ?? ""));
  }
}

async function chat(step) {
  const whole = await client(step.key).chat.completions.create(requestOf(step));
  return { choices: whole.choices.map(choiceOf), usage: usageOf(whole.usage) };
}

function chunksOf(step) {
  return client(step.key).chat.completions.create({ ...requestOf(step), stream: true, stream_options: { include_usage: true } });
}

async function drain(step) {
  let written = "";
  let finish_reason = null;
  for await (const { choices } of await chunksOf(step)) {
    for (const choice of choices) {
      for (const call of choice.delta.tool_calls ?? []) written += call.function?.arguments ?? "";
      finish_reason = choice.finish_reason ?? finish_reason;
    }
  }
  return { finish_reason, whole: isJson(written) };
}

function isJson(written) {
  try {
    JSON.parse(written);
    return true;
  } catch {
    return false;
  }
}

async function stream(step) {
  const choices = [];
  let usage = null;
  for await (const chunk of await chunksOf(step)) {
    usage = usageOf(chunk.usage) ?? usage;
    for (const choice of chunk.choices) {
      hear((choices[choice.index] ??= { content: "", reasoning: "", calls: [], finish_reason: null, logprobs: [] }), choice);
    }
  }
  for (const choice of choices) choice.calls = choice.calls.map(([id, name, written]) => [id, name, JSON.parse(written)]);
  return { choices, usage };
}

async function failure(step) {
  try {
    return { heard: await (step.stream ? stream : chat)(step) };
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return step.stream ? {} : { status: error.status, code: error.code, param: error.param };
  }
}

function responseOf({ output, incomplete_details, usage }) {
  const parts = output.flatMap((item) => item.content ?? []);
  const textOf = (kind) => parts.filter((part) => part.type === kind).map((part) => part.text).join("");
  const calls = output.filter((item) => item.type === "function_call");
  const choice = {
    content: textOf("output_text"),
    reasoning: textOf("reasoning_text"),
    calls: calls.map((item) => [item.call_id, item.name, JSON.parse(item.arguments)]),
    finish_reason: incomplete_details?.reason ?? "stop",
    logprobs: [],
  };
  return { choices: [choice], usage: [usage.input_tokens, usage.output_tokens, usage.total_tokens] };
}

async function response(step) {
  const { tools, ...rest } = step.ask ?? {};
  const offered = tools ? { tools: tools.map((tool) => ({ type: "function", strict: null, ...tool.function })) } : {};
  const asked = { model: "assistant", input: step.name, store: false, ...rest, ...offered };
  if (!step.stream) return responseOf(await client().responses.create(asked));
  let text = "";
  let last;
  for await (last of await client().responses.create({ ...asked, stream: true })) {
    if (last.type === "response.output_text.delta") text += last.delta;
  }
  const told = responseOf(last.response);
  if (told.choices[0].content !== text) throw new Error(`the pieces of ${step.name} come to ${text}`);
  return told;
}

async function embeddings(step) {
  const answer = await client().embeddings.create({ model: "assistant", ...step.ask });
  return { vectors: answer.data.map((each) => each.embedding) };
}

async function models() {
  return { models: (await client().models.list()).data.map((each) => each.id) };
}

const ways = { chat, stream, drain, failure, response, embeddings, models };
for (const step of JSON.parse(readFileSync(steps))) {
  const why = LACKS[step.name];
  const said = why ? { skipped: why } : { told: await ways[step.kind](step) };
  console.log(JSON.stringify({ step: step.name, ...said }));
}
