// The page and a real board: posting from the page, privacy, undoing, rooms, and texts that were written to break it. The run that is
// posted is a true one of the real engine on the tiny checkpoint. Needs JEOUL_BIN, a built page and the CPU module.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { BrowserContext, Page } from '@playwright/test';
import { faults, overhang } from './axe';
import { Person, startBoard, type Server } from './board';
import { expect, test } from './fake';

const TINY = fileURLToPath(new URL('../../models/tiny.gguf', import.meta.url));

test.describe.configure({ timeout: 90_000 });

let server: Server;
test.beforeAll(async () => {
  server = await startBoard();
});
test.afterAll(() => server?.stop());

/** Weighs the tiny checkpoint on one task. */
async function weigh(page: Page, task = 'jeoul_science', limit = 3): Promise<void> {
  await page.getByRole('radio', { name: 'CPU' }).check();
  await page.getByLabel('Choose a .gguf file').setInputFiles(TINY);
  const remove = page.getByRole('button', { name: /^Remove / });
  while ((await remove.count()) > 0) await remove.first().click();
  await page.getByLabel('Find a task').fill(task);
  await page.locator(`#task-${task}`).check();
  await page.getByLabel('Find a task').fill('');
  await page.getByRole('spinbutton').fill(String(limit));
  await page.getByRole('spinbutton').blur();
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  await expect(page.getByText('The run is finished.').first()).toBeVisible({ timeout: 60_000 });
}

/** Opens the dialog and goes on to the preview; gives the bytes that it shows. */
async function prepare(page: Page, { name = 'Tiny', level = 'scores and each document’s outcome' } = {}): Promise<string> {
  await page.getByRole('button', { name: 'Post to a board' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByRole('radio', { name: level }).check();
  await dialog.getByRole('radio', { name: 'pretrained' }).check();
  await dialog.getByRole('button', { name: 'Show what would be sent' }).click();
  await expect(dialog.locator('#post-bytes')).toBeVisible();
  const more = dialog.getByRole('button', { name: 'Show more' });
  if (await more.isVisible()) await more.click();
  return (await dialog.locator('#post-bytes').textContent()) ?? '';
}

/** Adds a task of one's own, whose answers are written, with two documents. */
async function addOwn(page: Page): Promise<void> {
  const task = [
    'task: secret', 'test_split: test', 'output_type: generate_until', 'doc_to_text: "{{q}}"', 'doc_to_target: a',
    'generation_kwargs: {max_gen_toks: 4, until: ["\\n"]}', 'metric_list: [{metric: exact_match}]', '',
  ];
  await page.getByLabel('Add a task file').setInputFiles({ name: 'secret.yaml', mimeType: '', buffer: Buffer.from(task.join('\n')) });
  const documents = '{"q": "Whose secret is this?", "a": "Minsu"}\n{"q": "And whose secret is that?", "a": "Sora"}\n';
  const opener = page.getByRole('region', { name: 'secret' }).getByLabel('Open a file', { exact: true });
  await opener.setInputFiles({ name: 'd.jsonl', mimeType: '', buffer: Buffer.from(documents) });
}

/** Requests of a page to a board. */
function asked(page: Page): string[] {
  const urls: string[] = [];
  page.on('request', (request) => {
    if (new URL(request.url()).pathname.startsWith('/api')) urls.push(`${request.method()} ${new URL(request.url()).pathname}`);
  });
  return urls;
}

test('nothing is asked of the board before Post, and then exactly the bytes that were shown are sent', async ({ page }) => {
  const requests = asked(page);
  await page.goto(server.url);
  await weigh(page);
  const shown = await prepare(page, { name: 'Shown first' });
  expect(requests).toEqual([]);
  const sent = page.waitForRequest('**/api/submissions?board=open');
  await page.getByRole('dialog').getByRole('button', { name: 'Post', exact: true }).click();
  expect((await sent).postData()).toBe(shown);
  await expect(page.getByRole('dialog').getByText('The board has stored it.')).toBeVisible();
  expect(requests).toEqual(['POST /api/submissions']);
  // The board recomputed the scores from its own copy of the task.
  await expect(page.getByRole('dialog')).toContainText('consistent');
  await page.getByRole('dialog').getByRole('link', { name: 'Link to this run' }).click();
  await expect(page.getByRole('heading', { name: 'Shown first' })).toBeVisible();
  await expect(page.getByRole('row', { name: /jeoul_science/ })).toContainText('the model’s answers, recomputed');
  const { module_sha256: module } = JSON.parse(shown).envelope.engine;
  expect(module).toMatch(/^[0-9a-f]{64}$/);
  await expect(page.getByText(module.slice(0, 8))).toBeVisible();
});

test('each privacy level sends what it says and no more', async ({ page }) => {
  await page.goto(server.url);
  await addOwn(page);
  await weigh(page, 'secret', 2);
  const dialog = page.getByRole('dialog');
  const task = (text: string) => JSON.parse(text).envelope.tasks[0];
  const fields = (text: string) => task(text).documents.map((document: object) => Object.keys(document).join(' '));
  const scores = await prepare(page, { level: 'scores only' });
  expect([task(scores).level, task(scores).documents]).toEqual(['scores', undefined]);
  await dialog.getByRole('button', { name: 'Do not post' }).click();
  const outcomes = await prepare(page);
  expect(fields(outcomes)).toEqual(['doc_id tokens values', 'doc_id tokens values']);
  await dialog.getByRole('button', { name: 'Do not post' }).click();

  // What a model wrote about one's own documents goes only if that is ticked, too.
  const unticked = await prepare(page, { level: 'also what the model wrote' });
  expect([task(unticked).level, fields(unticked)]).toEqual(['outcomes', fields(outcomes)]);
  await dialog.getByRole('button', { name: 'Back' }).click();
  await dialog.getByRole('checkbox', { name: /about my own documents/ }).check();
  await dialog.getByRole('button', { name: 'Show what would be sent' }).click();
  const outputs = (await dialog.locator('#post-bytes').textContent()) ?? '';
  expect([task(outputs).level, fields(outputs)]).toEqual(['outputs', ['doc_id texts tokens values', 'doc_id texts tokens values']]);

  // Neither documents nor names of files, at any level.
  for (const text of [scores, outcomes, unticked, outputs]) expect(text).not.toMatch(/Whose secret|Minsu|Sora|gguf|jsonl/);
});

test('undo takes a run back, restore brings it again, and it can be deleted later', async ({ page }) => {
  await page.goto(server.url);
  await weigh(page);
  await prepare(page, { name: 'Undone' });
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Post', exact: true }).click();
  await dialog.getByRole('button', { name: 'Undo' }).click();
  await expect(dialog.getByRole('heading', { name: 'Taken back.' })).toBeVisible();
  const names = async () => {
    const page = (await (await fetch(`${server.url}/api/boards/open?search=Undone`)).json()) as { rows: unknown[] };
    return page.rows.length;
  };
  expect(await names()).toBe(0);
  await dialog.getByRole('button', { name: 'Restore it' }).click();
  await expect(dialog.getByRole('heading', { name: 'Posted.' })).toBeVisible();
  expect(await names()).toBe(1);
  // Later, in another tab: the key is the browser's.
  const later = await page.context().newPage();
  await later.goto(`${server.url}/#/board/open?search=Undone`);
  await later.getByRole('link', { name: /^Run of Undone/ }).click();
  await later.getByRole('button', { name: 'Delete this run' }).click();
  await later.getByRole('button', { name: 'Delete this run: really?' }).click();
  await expect(later.getByRole('heading', { name: 'The run is deleted.' })).toBeVisible();
  expect(await names()).toBe(0);
});

test('a name that a board refuses is named before anything is sent', async ({ page }) => {
  const requests = asked(page);
  await page.goto(server.url);
  await weigh(page);
  await page.getByRole('button', { name: 'Post to a board' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Show what would be sent' }).click();
  // How a file was trained its owner must say: nothing else knows.
  await expect(dialog.locator('#post-bytes')).toHaveCount(0);
  await dialog.getByRole('radio', { name: 'pretrained' }).check();
  await dialog.getByLabel('Name').fill('Tiny\u202Egnp.exe');
  await dialog.getByRole('button', { name: 'Show what would be sent' }).click();
  await expect(dialog.getByRole('alert')).toContainText('changes the direction of writing');
  await expect(dialog.getByLabel('Name')).toHaveAttribute('aria-invalid', 'true');
  expect(requests).toEqual([]);
});

test('two others who compute the drawn documents again make a run reproduced, and another file is refused', async ({ page, browser }) => {
  await page.goto(server.url);
  await weigh(page);
  await prepare(page, { name: 'To be checked' });
  await page.getByRole('dialog').getByRole('button', { name: 'Post', exact: true }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Link to this run' }).click();
  await expect(page.getByText('others have to check it')).toBeVisible();
  const run = page.url();

  for (const label of ['consistent', 'reproduced']) {
    const context = await browser.newContext({ locale: 'en-GB' });
    const other = await context.newPage();
    await other.goto(run);
    await other.getByText('Check this run').click();
    const file = other.getByLabel('Open this file, draw documents');
    const foreign = Buffer.from(await readFile(TINY));
    foreign[foreign.length - 1]! ^= 1;
    await file.setInputFiles({ name: 'other.gguf', mimeType: '', buffer: foreign });
    await expect(other.getByRole('alert')).toContainText('another file than the one that was weighed');
    await other.getByText('Check this run').click();
    await file.setInputFiles(TINY);
    const shown = (await other.locator('#check-bytes').textContent()) ?? '';
    expect(JSON.parse(shown)).toMatchObject({ lane: 'cpu', documents: [{ doc_id: 0 }, { doc_id: 1 }, { doc_id: 2 }] });
    const sent = other.waitForRequest('**/api/checks/*');
    await other.getByRole('button', { name: 'Send the answers' }).click();
    expect((await sent).postData()).toBe(shown);
    await expect(other.getByText('The board has compared your answers. agrees. 3 documents compared, 0 differ')).toBeVisible();
    await expect(other.getByText(label, { exact: true }).first()).toBeVisible();
    await context.close();
  }
  await page.reload();
  await expect(page.locator('#checks ~ ul li')).toHaveCount(2);
});

test('a run is posted to a room, and its row appears in the presenter’s browser', async ({ page, browser }) => {
  await page.goto(`${server.url}/#/board`);
  await page.getByRole('link', { name: 'Rooms' }).click();
  await page.getByLabel('What the room is called').fill('수업 <b>1</b>');
  await page.getByRole('button', { name: 'Open a room' }).click();
  await expect(page.getByRole('heading', { name: 'Room: 수업 <b>1</b>' })).toBeVisible();
  await expect(page.getByRole('img', { name: /QR code/ })).toBeVisible();
  const link = (await page.getByRole('link', { name: /#\/join\// }).getAttribute('href')) ?? '';

  const context: BrowserContext = await browser.newContext();
  const student = await context.newPage();
  await student.goto(`${server.url}/${link}`);
  await student.getByRole('button', { name: 'Join', exact: true }).click();
  await expect(student.getByText('No run has been posted here yet.')).toBeVisible();
  await student.getByRole('checkbox', { name: /Show my runs here/ }).check();
  await student.getByRole('link', { name: 'Weigh' }).click();
  await weigh(student, 'jeoul_science', 20);
  await expect(student.getByRole('button', { name: 'Post to a board' })).toBeEnabled();
  await prepare(student, { name: 'From the second row' });
  await student.getByRole('dialog').getByRole('button', { name: 'Post', exact: true }).click();
  await expect(student.getByRole('dialog').getByRole('heading', { name: 'Posted.' })).toBeVisible();
  await expect(page.getByRole('row', { name: /From the second row/ })).toContainText('consistent');
  await expect(page.getByRole('row', { name: /From the second row/ })).toContainText('new');

  // The presenter, who has not joined, can post too, and takes the table home.
  await page.getByRole('link', { name: 'Weigh' }).click();
  await weigh(page);
  await prepare(page, { name: 'From the desk' });
  await page.getByRole('dialog').getByRole('button', { name: 'Post', exact: true }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'See it in the table' }).click();
  await expect(page.getByRole('row', { name: /From the desk/ })).toBeVisible();
  const file = page.waitForEvent('download');
  await page.getByRole('button', { name: 'CSV' }).click();
  const csv = await readFile(await (await file).path(), 'utf8');
  expect(csv.split('\n').filter((line) => /From the (desk|second row)/.test(line))).toHaveLength(2);

  // Frozen, it takes none; both browsers hear of it.
  await page.getByRole('button', { name: 'Freeze' }).click();
  await student.getByRole('dialog').getByRole('link', { name: 'See it in the table' }).click();
  await expect(student.getByText(/frozen: takes no runs/)).toBeVisible();
  // Whoever is removed sees no more of it.
  await page.getByText('Who is in').click();
  await page.getByRole('button', { name: 'Remove', exact: true }).first().click();
  await page.getByRole('button', { name: 'Remove: really?' }).click();
  await expect(page.getByText('removed', { exact: true })).toBeVisible();
  await student.reload();
  await expect(student.getByText('Your place in this room has ended.')).toBeVisible();
  // Strangers see nothing until it is published.
  const stranger = await (await browser.newContext()).newPage();
  const room = page.url().replace(/\?.*/, '');
  await stranger.goto(room);
  await expect(stranger.getByText('This room is private.')).toBeVisible();
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByRole('button', { name: 'Publish: really?' }).click();
  await expect(page.getByText(/published/).first()).toBeVisible();
  await stranger.reload();
  await expect(stranger.getByRole('row', { name: /From the second row/ })).toBeVisible();
  await context.close();
  await stranger.context().close();
});

test('open runs of a room are seen while they compute, only by consent', async ({ page, browser }) => {
  const presenter = new Person(server);
  const opened = (await (await presenter.send('POST', '/api/rooms', { name: 'Live' })).json()) as { code: string; room: string };
  const member = async (context: BrowserContext) => {
    const each = await context.newPage();
    await each.goto(`${server.url}/#/join/${opened.code}`);
    await each.getByRole('button', { name: 'Join', exact: true }).click();
    await expect(each.getByText('Nobody is weighing at the moment.')).toBeVisible();
    return each;
  };
  const watcher = await member(page.context());
  const context = await browser.newContext();
  const student = await member(context);
  const told = asked(student);
  await student.getByRole('link', { name: 'Weigh' }).click();
  await weigh(student, 'jeoul_science', 3);
  expect(told.filter((each) => each.startsWith('PUT'))).toEqual([]);
  await student.goto(`${server.url}/#/board/${opened.room}`);
  await student.getByRole('checkbox', { name: /Show my runs here/ }).check();
  await expect.poll(() => told.filter((each) => each.startsWith('PUT')).length).toBeGreaterThan(0);
  await student.getByRole('link', { name: 'Weigh' }).click();
  await student.getByRole('button', { name: 'Weigh again' }).click();
  await student.getByRole('spinbutton').fill('60');
  await student.getByRole('spinbutton').blur();
  await student.getByRole('button', { name: 'Weigh', exact: true }).click();
  await expect(watcher.getByText(/of 60 documents/)).toBeVisible();
  await context.close();
});

test('texts that were written to break a page are shown as they are', async ({ page }) => {
  const { texts } = JSON.parse(await readFile(new URL('../board/hostile.json', import.meta.url), 'utf8')) as { texts: { text: string; name: string; note?: string }[] };
  const names = texts.filter(({ name }) => name === 'ok').map(({ text }) => text);
  expect(names.length).toBeGreaterThanOrEqual(150);
  const ids = new Map<string, string>();
  for (const text of names) ids.set(text, await new Person(server).post('open', { name: text, licence: text, task: 'hostile' }));
  await page.addInitScript(() => {
    for (const name of ['alert', 'prompt', 'confirm', 'print'] as const) Object.assign(window, { [name]: () => { throw new Error(`${name} ran`); } });
  });
  await page.goto(`${server.url}/#/board/open?tasks=hostile&sort=stored`);
  const rows = page.locator('tbody tr');
  while ((await rows.count()) < names.length) {
    const before = await rows.count();
    await page.getByRole('button', { name: 'Show more' }).click();
    await expect.poll(() => rows.count()).toBeGreaterThan(before);
  }
  await page.getByText('Columns', { exact: true }).click();
  await page.getByRole('checkbox', { name: 'Licence' }).check();
  expect(new Set(await page.locator('td.name a').allTextContents())).toEqual(new Set(names));
  // Each row has its cells, none is wider than the column, and nothing but our own elements is in them.
  const foreign = await page.locator('tbody').evaluate((body) => [...new Set([...body.querySelectorAll('*')].map(({ localName }) => localName))]);
  const ours = ['a', 'bdi', 'circle', 'code', 'div', 'path', 'rect', 'span', 'svg', 'td', 'tr'];
  expect(foreign.filter((name) => !ours.includes(name))).toEqual([]);
  const tall = await rows.evaluateAll((all) => all.map((row) => [Math.round(row.getBoundingClientRect().height), row.textContent]).filter(([height]) => Number(height) > 260));
  expect(tall).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);

  // And where people write notes.
  const notes = texts.filter(({ name, note }) => (note ?? name) === 'ok').map(({ text }) => text);
  const target = ids.get(names[0]!)!;
  for (const note of notes.slice(0, 40)) {
    const answer = await new Person(server).send('POST', `/api/submissions/${target}/flags`, { reason: 'other', link: 'https://example.org/why?<b>'.replace(/[<>]/g, ''), note });
    expect([201, 404]).toContain(answer.status);
  }
  await page.goto(`${server.url}/#/board/open/run/${target}`);
  await expect(page.locator('#flags ~ ul li')).toHaveCount(40);
  expect(await page.locator('#flags ~ ul li bdi').allTextContents()).toEqual(notes.slice(0, 40));
});

test('a name that can be mistaken for an earlier one is marked', async ({ page }) => {
  await new Person(server).post('open', { name: 'Mistral', task: 'alike' });
  const id = await new Person(server).post('open', { name: 'Mistra\u0049', task: 'alike' });
  await page.goto(`${server.url}/#/board/open?tasks=alike`);
  await expect(page.locator('td.name').filter({ hasText: 'looks like Mistral' })).toHaveCount(1);
  await page.goto(`${server.url}/#/board/open/run/${id}`);
  await expect(page.getByText('looks like Mistral')).toBeVisible();
});

test('a run can be flagged with reason and link, and the log says so', async ({ page }) => {
  const id = await new Person(server).post('open', { name: 'Too good', score: 0.99 });
  await page.goto(`${server.url}/#/board/open/run/${id}`);
  await page.getByText('Flag this run').click();
  await page.getByLabel('What is wrong').selectOption('contamination');
  await page.getByLabel('Link, beginning').fill('javascript:alert(1)');
  await page.getByLabel('In a sentence or two').fill('It was trained on the test documents.');
  await page.getByRole('button', { name: 'Flag it' }).click();
  await expect(page.getByRole('alert')).toContainText('https://');
  await page.getByLabel('Link, beginning').fill('https://example.org/argument');
  await page.getByRole('button', { name: 'Flag it' }).click();
  await expect(page.getByText('It was trained on the test documents.', { exact: true })).toBeVisible();
  const link = page.getByRole('link', { name: 'https://example.org/argument' });
  await expect(link).toHaveAttribute('rel', /noopener noreferrer/);
  await page.getByRole('link', { name: 'Public log' }).click();
  await expect(page.getByRole('row', { name: /flagged a run/ }).first()).toBeVisible();
});

test('a moderator hides, shows and deletes with a reason that the log keeps, and the author can answer', async ({ page, browser }) => {
  // Posted from the page, so that its key can answer.
  await page.goto(server.url);
  await weigh(page);
  await prepare(page, { name: 'Judged' });
  await page.getByRole('dialog').getByRole('button', { name: 'Post', exact: true }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Link to this run' }).click();
  await expect(page.getByRole('heading', { name: 'Judged' })).toBeVisible();
  const id = page.url().split('/').at(-1)!;
  const shown = async () => (await fetch(`${server.url}/api/submissions/${id}`)).status === 200;

  const context = await browser.newContext();
  const desk = await context.newPage();
  await desk.goto(`${server.url}/#/board`);
  await expect(desk.getByRole('link', { name: 'Moderation' })).toHaveCount(0);
  await desk.getByRole('link', { name: 'Public log' }).click();
  await desk.getByRole('link', { name: 'For moderators' }).click();
  await desk.getByLabel('Token').fill(`m_${'0'.repeat(64)}`);
  await desk.getByRole('button', { name: 'Log in' }).click();
  await expect(desk.getByRole('alert')).toContainText('This is no moderator’s token.');
  await desk.getByLabel('Token').fill(server.moderator);
  await desk.getByRole('button', { name: 'Log in' }).click();
  await expect(desk.getByRole('heading', { name: 'What waits' })).toBeVisible();

  // From a run's page; without a reason nothing is done.
  await desk.evaluate((hash) => (location.hash = hash), `#/board/open/run/${id}`);
  await desk.getByText('Decide', { exact: true }).click();
  await desk.getByRole('button', { name: 'Hide', exact: true }).click();
  await expect(desk.getByRole('alert')).toContainText('This text is empty.');
  await desk.getByLabel('Reason').fill('The scores look <b>wrong</b>.');
  await desk.getByRole('button', { name: 'Hide', exact: true }).click();
  await expect(desk.getByText('hidden', { exact: true })).toBeVisible();
  expect(await shown()).toBe(false);

  // Its author still sees it, and says something to it.
  await page.reload();
  await expect(page.getByText('hidden', { exact: true })).toBeVisible();
  await page.getByText('Answer to the flags').click();
  await page.getByLabel('In a sentence or two').fill('They are what my laptop computed.');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page.getByText('It was sent to the moderators.')).toBeVisible();

  await desk.getByRole('link', { name: 'Moderation' }).click();
  const waiting = desk.getByRole('listitem').filter({ hasText: 'They are what my laptop computed.' });
  await expect(waiting).toContainText('hidden by a moderator');
  await waiting.getByText('Decide', { exact: true }).click();
  await waiting.getByLabel('Reason').fill('A spot check found nothing.');
  await waiting.getByRole('button', { name: 'Show again' }).click();
  await expect(waiting).toHaveCount(0);
  expect(await shown()).toBe(true);

  // All runs of a key at once.
  const spammer = new Person(server);
  const spam = [await spammer.post('open', { name: 'Spam 1', task: 'spam' }), await spammer.post('open', { name: 'Spam 2', task: 'spam' })];
  await desk.evaluate((hash) => (location.hash = hash), `#/board/open/run/${spam[0]}`);
  await desk.getByText('Decide', { exact: true }).click();
  await desk.getByLabel('About', { exact: true }).selectOption('all runs of its key');
  await desk.getByLabel('Reason').fill('Advertising.');
  await desk.getByRole('button', { name: 'Delete all' }).click();
  await desk.getByRole('button', { name: 'Delete all: really?' }).click();
  await expect(desk.getByRole('heading', { name: 'The run is deleted.' })).toBeVisible();
  for (const each of spam) expect((await fetch(`${server.url}/api/submissions/${each}`)).status).toBe(404);

  await desk.getByRole('link', { name: 'Public log' }).click();
  for (const [act, reason] of [['hid a run', 'The scores look <b>wrong</b>.'], ['showed a run again', 'A spot check found nothing.'], ['deleted all runs', 'Advertising.']] as const) {
    await expect(desk.getByRole('row', { name: act }).filter({ hasText: reason })).toBeVisible();
  }
  // Nothing of the session is kept: a new page knows nothing of it, and after logging out the board does not either.
  expect(await desk.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toMatch(/[ms]_[0-9a-f]{64}/);
  await desk.getByRole('link', { name: 'Moderation' }).click();
  await desk.getByRole('button', { name: 'Log out' }).click();
  await expect(desk.getByRole('heading', { name: 'Log in as a moderator' })).toBeVisible();
  expect(await context.cookies()).toEqual([]);
  await context.close();
});

test('a table is sorted, searched and filtered by the server, and its address says how', async ({ page }) => {
  const people = [new Person(server), new Person(server), new Person(server)];
  const scores = [0.31, 0.55, 0.57];
  for (const [index, person] of people.entries()) await person.post('open', { name: `Ranked ${index}`, score: scores[index]!, task: 'ranked' });
  await page.goto(`${server.url}/#/board/open?tasks=ranked&search=ranked`);
  await expect(page.locator('tbody tr')).toHaveCount(3);
  // 55 and 57 of 200 documents cannot be told apart; 31 can.
  expect(await page.locator('tbody tr td:first-child').allTextContents()).toEqual(['1', '1', '3']);
  await page.getByRole('button', { name: 'Model' }).click();
  await expect(page.locator('td.name').first()).toContainText('Ranked 0');
  await expect(page).toHaveURL(/sort=model&order=asc/);
  await page.getByRole('searchbox').fill('ranked 2');
  await expect(page.locator('tbody tr')).toHaveCount(1);
  const address = page.url();
  await page.goto('about:blank');
  await page.goto(address);
  await expect(page.locator('tbody tr')).toHaveCount(1);
  await page.locator('td.name a').click();
  await expect(page.getByRole('heading', { name: 'Every run of this file' })).toBeVisible();
});

test('a site without a board says so', async ({ page }) => {
  await page.route('**/api/**', (route) => route.fulfill({ status: 404, contentType: 'text/plain', body: 'not found' }));
  await page.goto(`${server.url}/#/board`);
  await expect(page.getByRole('alert')).toContainText('This server has no board');
  await page.getByRole('link', { name: 'What it means' }).click();
  await expect(page.getByRole('heading', { name: 'Trust' })).toBeVisible();
});

for (const [locale, colorScheme, width] of [['en', 'light', 1280], ['ko', 'dark', 360]] as const) {
  test(`fits ${width} px, in ${locale} and ${colorScheme}, and has nothing that a screen reader stumbles over`, async ({ browser }) => {
    const person = new Person(server);
    const id = await person.post('open', { name: 'a name of eighty characters, so long that no column of a table holds it in full', licence: 'Apache-2.0' });
    await person.send('POST', `/api/submissions/${id}/flags`, { reason: 'other', link: 'https://example.org/a', note: 'Why?' });
    const context = await browser.newContext({ locale, colorScheme, viewport: { width, height: 800 } });
    const page = await context.newPage();
    const check = async (name: string) => {
      expect(await faults(page), name).toEqual([]);
      expect(await overhang(page), name).toBe(0);
    };
    await page.goto(`${server.url}/#/board`);
    await expect(page.locator('tbody tr').first()).toBeVisible();
    for (const summary of await page.locator('main summary').all()) await summary.click();
    await check('table');
    for (const side of ['rooms', 'post', 'about', 'log', 'moderation', `run/${id}`]) {
      await page.evaluate((hash) => (location.hash = hash), `#/board/open/${side}`);
      await expect(page.locator('main h2, main table').first()).toBeVisible();
      for (const summary of await page.locator('main summary').all()) await summary.click();
      await check(side);
    }
    await page.locator('main a[href*="/model/"]').click();
    await expect(page.locator('main dl')).toBeVisible();
    await check('model');
    await page.evaluate(() => (location.hash = '#/board/open/rooms'));
    await page.locator('#room-name').press('Enter');
    await expect(page.locator('main svg[role=img]')).toBeVisible();
    await check('room');
    await context.close();
  });
}
