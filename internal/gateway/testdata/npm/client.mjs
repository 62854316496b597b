// Asks a gateway everything that the official Node client can ask of it, and prints what
// the client understood as one JSON document. A throw ends it with a code that is not 0.
// BASE_URL, API_KEY and MODEL say whom, as whom and for what.
import OpenAI from 'openai';

const model = process.env.MODEL;
const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const question = 'What is a tier?';

const chat = {
	model, max_tokens: 12, temperature: 0, logprobs: true, top_logprobs: 5,
	messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: question }],
};

function tokens(list) {
	return (list ?? []).map((token) => ({ own: token.logprob, tops: (token.top_logprobs ?? []).map((top) => top.logprob) }));
}

async function chats() {
	const whole = await client.chat.completions.create(chat);
	const streamed = { text: '', tokens: [], usage: 0 };
	const events = await client.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } });
	for await (const event of events) {
		for (const choice of event.choices) {
			streamed.text += choice.delta.content ?? '';
			streamed.tokens.push(...tokens(choice.logprobs?.content));
		}
		streamed.usage = event.usage?.completion_tokens ?? streamed.usage;
	}
	const [choice] = whole.choices;
	return { whole: { text: choice.message.content, tokens: tokens(choice.logprobs?.content), usage: whole.usage.completion_tokens }, streamed };
}

async function responses() {
	const ask = { model, input: question, max_output_tokens: 12, temperature: 0, top_logprobs: 5, include: ['message.output_text.logprobs'] };
	const read = (response) => ({
		text: response.output_text ?? '',
		tokens: tokens(response.output.flatMap((item) => item.content ?? []).flatMap((part) => part.logprobs ?? [])),
		usage: response.usage.output_tokens,
	});
	const whole = await client.responses.create(ask);
	let pieces = '';
	let last;
	for await (const event of await client.responses.create({ ...ask, stream: true })) {
		if (event.type === 'response.output_text.delta') pieces += event.delta;
		if (event.type === 'response.completed' || event.type === 'response.incomplete') last = event.response;
	}
	return { whole: read(whole), streamed: { ...read(last), text: pieces } };
}

async function embeddings() {
	const input = ['a tier', 'a ledger'];
	const usual = await client.embeddings.create({ model, input }); // base64 on the wire
	const plain = await client.embeddings.create({ model, input, encoding_format: 'float' });
	return { usual: usual.data.map((entry) => entry.embedding), plain: plain.data.map((entry) => entry.embedding) };
}

async function moderations() {
	const answer = await client.moderations.create({ input: ['a tier', 'a ledger'] });
	return answer.results.map((result) => ({ flagged: result.flagged, scores: Object.values(result.category_scores) }));
}

async function errors() {
	const told = [];
	const calls = [
		() => client.chat.completions.create({ ...chat, n: -3 }),
		() => client.files.list(),
		() => client.chat.completions.create({ ...chat, model: 'nobody' }),
		() => new OpenAI({ baseURL: client.baseURL, apiKey: 'nobody', maxRetries: 0 }).chat.completions.create(chat),
	];
	for (const call of calls) {
		try {
			await call();
			told.push(null);
		} catch (error) {
			if (!(error instanceof OpenAI.APIError)) throw error;
			told.push({ status: error.status, kind: error.constructor.name, message: error.message });
		}
	}
	return told;
}

console.log(JSON.stringify({
	chat: await chats(), responses: await responses(), embeddings: await embeddings(), moderations: await moderations(), errors: await errors(),
}));
