// Written by ticketsim: the load and the customer of a config.
import http from 'k6/http';
import encoding from 'k6/encoding';
import exec from 'k6/execution';
import { sleep } from 'k6';

/* OPTIONS AND CONSTANTS */

const URL = __ENV.BASE_URL || BASE_URL;
const CONCERT = 1;
const GENERATION = 'POST /v1/token/generation';
const CHECK = 'GET /v1/token/check';
const DATES = 'GET /v1/concerts/{id}/available-dates';
const SEATS = 'GET /v1/concerts/{id}/available-seats';
const BOOKING = 'POST /v1/concerts/{id}/booking';
const PAYMENT = 'POST /v1/bookings/{id}/payment';

// What one virtual user keeps between iterations.
const slot = { token: null, expiresS: Infinity, finished: false, decided: false, arrived: false };

function elapsedS() {
  return exec.instance.currentTestRunDuration / 1000;
}

function uniform(low, high) {
  return low + (high - low) * Math.random();
}

function index(length) {
  return Math.floor(Math.random() * length);
}

function parameters(name, headers) {
  return { headers, tags: { name }, timeout: TIMEOUT };
}

function answered(response) {
  let body = null;
  try {
    body = response.json();
  } catch (error) {
    body = null;
  }
  if (body === undefined || typeof body !== 'object') body = null;
  return { status: response.status, ok: response.status >= 200 && response.status < 400, body };
}

function get(name, path, headers) {
  return answered(http.get(URL + path, parameters(name, headers)));
}

function post(name, path, headers, body) {
  const json = { 'Content-Type': 'application/json', ...headers };
  return answered(http.post(URL + path, JSON.stringify(body), parameters(name, json)));
}

function notJson() {
  throw new Error('the answer is not JSON');
}

// A virtual user cannot leave a load that counts users: it waits for the end instead.
function finished() {
  if (CUSTOMER.stops_when_done) sleep(Math.max(1, LOAD_S - elapsedS()));
}

function pauseS(answer) {
  const own = CUSTOMER.poll_interval_s;
  if (!CUSTOMER.keeps_interval || answer.body === null) return own;
  return answer.body.pollAfter === undefined ? own : answer.body.pollAfter;
}

function expiryS(jwt) {
  if (typeof jwt !== 'string') return Infinity;
  const claims = JSON.parse(encoding.b64decode(jwt.split('.')[1], 'rawurl', 's'));
  return claims.exp === undefined ? Infinity : claims.exp;
}

// An exponential time given that it is at most `longest`.
function cutExponential(mean, longest) {
  const within = 1 - Math.exp(-longest / mean);
  return Math.min(longest, -mean * Math.log(1 - Math.random() * within));
}

// One virtual user is one person of a crowd around an opening.
function comes() {
  if (ARRIVALS === null || slot.arrived) return;
  slot.arrived = true;
  const opens = Math.min(ARRIVALS.opens_s, LOAD_S);
  const after = LOAD_S - opens;
  const early = Math.random() < ARRIVALS.early_share;
  sleep(opens > 0 && (early || after === 0)
    ? opens - cutExponential(ARRIVALS.early_mean_s, opens)
    : opens + cutExponential(ARRIVALS.late_mean_s, after));
}

// A person comes once, but calls the script again and again until the visit ends.
function visits(iteration) {
  comes();
  if (ARRIVALS === null) {
    iteration();
    return;
  }
  while (!slot.finished && elapsedS() < LOAD_S) {
    try {
      iteration();
    } catch (error) {
      console.error(error.message);
    }
  }
}

export function buyer() {
  visits(buyerIteration);
}

function buyerIteration() {
  if (slot.finished) {
    finished();
    return;
  }
  if (slot.token === null && !asksForToken()) return;
  if (slot.token !== null && slot.token.type === 'ACCESS') {
    buys();
  } else if (slot.token !== null) {
    polls();
  }
}

function asksForToken() {
  const body = { userId: exec.vu.idInTest, concertId: CONCERT };
  const answer = post(GENERATION, '/v1/token/generation', {}, body);
  if (!answer.ok && CUSTOMER.backs_off) {
    sleep(CUSTOMER.retry_interval_s);
    return false;
  }
  if (answer.body === null) notJson();
  slot.token = answer.body;
  slot.expiresS = expiryS(answer.body.jwt);
  if (CUSTOMER.backs_off && CUSTOMER.keeps_interval && 'pollAfter' in answer.body) {
    sleep(pauseS(answer));
  }
  return true;
}

function polls() {
  const answer = get(CHECK, '/v1/token/check', { WaitingToken: String(slot.token.jwt) });
  if (answer.body === null && !CUSTOMER.backs_off) notJson();
  const position = answer.body === null ? undefined : answer.body.position;
  const letIn = position === 0;
  if (letIn || (CUSTOMER.backs_off && answer.status === 401)) slot.token = null;
  if (CUSTOMER.backs_off && !(answer.ok && letIn)) {
    const next = pauseS(answer);
    sleep(answer.ok ? next : CUSTOMER.retry_interval_s);
    if (Date.now() / 1000 + next >= slot.expiresS) slot.token = null;
  }
}

function buys() {
  const headers = { Authorization: `Bearer ${slot.token.jwt}` };
  const seat = chooses(headers);
  if (seat === null) return;
  if (!slot.decided) sleep(uniform(CUSTOMER.think_low_s, CUSTOMER.think_high_s));
  const booked = books(headers, seat);
  if (CUSTOMER.backs_off && !booked.ok) return;
  if (Math.random() < CUSTOMER.pay_probability) {
    sleep(uniform(CUSTOMER.think_low_s, CUSTOMER.think_high_s));
    if (!pays(headers, booked)) return;
  }
  slot.finished = true;
}

function chooses(headers) {
  const path = `/v1/concerts/${CONCERT}`;
  const dates = get(DATES, `${path}/available-dates`, headers);
  if (!hasItems(dates, dates.ok ? dates.body.dates.length : 0)) return null;
  const date = dates.body.dates[0];
  let seats = get(SEATS, `${path}/available-seats?date=${date}`, headers);
  if (seats.ok && seats.body.pages > 1 && CUSTOMER.picks_random_seat) {
    const page = index(seats.body.pages);
    seats = get(SEATS, `${path}/available-seats?date=${date}&page=${page}`, headers);
    if (seats.ok && seats.body.seats.length === 0 && CUSTOMER.backs_off) return null;
  }
  if (!hasItems(seats, seats.ok ? seats.body.seats.length : 0)) return null;
  const chosen = CUSTOMER.picks_random_seat ? index(seats.body.seats.length) : 0;
  return { date, seatId: seats.body.seats[chosen].seatId };
}

function hasItems(answer, items) {
  if (items > 0) return true;
  if (!CUSTOMER.backs_off) throw new Error('cannot read element 0 of an answer without a list');
  if (answer.ok) {
    slot.finished = true;
  } else {
    recovers(answer);
  }
  return false;
}

function books(headers, seat) {
  const answer = post(BOOKING, `/v1/concerts/${CONCERT}/booking`, headers, seat);
  if (answer.ok) {
    slot.decided = false;
  } else if (CUSTOMER.backs_off) {
    slot.decided = answer.status === 409;
    recovers(answer);
  } else if (answer.body === null) {
    notJson();
  }
  return answer;
}

function pays(headers, booked) {
  const booking = booked.body.bookingId;
  const answer = post(PAYMENT, `/v1/bookings/${booking}/payment`, headers, {});
  if (answer.ok) return true;
  if (CUSTOMER.backs_off) {
    recovers(answer);
    return false;
  }
  return true;
}

function recovers(answer) {
  if (answer.status === 401) slot.token = null;
  sleep(CUSTOMER.retry_interval_s);
}

export function visitor() {
  visits(visitorIteration);
}

function visitorIteration() {
  if (!slot.decided) {
    slot.decided = true;
    sleep(uniform(0, CUSTOMER.poll_interval_s));
  }
  let answer;
  if (slot.token === null) {
    const body = { userId: exec.vu.idInTest, concertId: CONCERT };
    answer = post(GENERATION, '/v1/token/generation', {}, body);
    if (answer.ok) slot.token = answer.body;
  } else if (slot.token.type === 'ACCESS') {
    slot.finished = true;
    finished();
    return;
  } else {
    answer = get(CHECK, '/v1/token/check', { WaitingToken: slot.token.jwt });
    if (!answer.ok) slot.token = null;
  }
  sleep(pauseS(answer));
}

// A purchase without pauses, each time as another user: what calibration measures. Nobody waits.
export function calibration() {
  const userId = 1 + (exec.scenario.iterationInTest % CUSTOMER.users);
  const entered = post(GENERATION, '/v1/token/generation', {}, { userId, concertId: CONCERT });
  if (!entered.ok || entered.body.type !== 'ACCESS') return;
  const headers = { Authorization: `Bearer ${entered.body.jwt}` };
  const path = `/v1/concerts/${CONCERT}`;
  const dates = get(DATES, `${path}/available-dates`, headers);
  if (!dates.ok || dates.body.dates.length === 0) return;
  const date = dates.body.dates[0];
  const seats = get(SEATS, `${path}/available-seats?date=${date}`, headers);
  if (!seats.ok || seats.body.seats.length === 0) return;
  const seatId = seats.body.seats[index(seats.body.seats.length)].seatId;
  const booked = books(headers, { date, seatId });
  if (booked.ok) post(PAYMENT, `/v1/bookings/${booked.body.bookingId}/payment`, headers, {});
}
