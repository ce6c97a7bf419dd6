// Written by ticketsim: the load of a config, and its customers, translated from Python.
import http from 'k6/http';
import exec from 'k6/execution';
import { sleep } from 'k6';

/* OPTIONS AND CONSTANTS */

const URL = __ENV.BASE_URL || BASE_URL;

// What Python means, where JavaScript means something else.
const py = {
  truth(value) {
    if (value === null || value === undefined) return false;
    if (Array.isArray(value)) return value.length > 0;
    if (Object.getPrototypeOf(value) === Object.prototype) return Object.keys(value).length > 0;
    return Boolean(value);
  },
  and(...parts) {
    let value;
    for (const part of parts) {
      value = part();
      if (!py.truth(value)) break;
    }
    return value;
  },
  or(...parts) {
    let value;
    for (const part of parts) {
      value = part();
      if (py.truth(value)) break;
    }
    return value;
  },
  equal(one, other) {
    if (one === other) return true;
    if (one === null || other === null || typeof one !== 'object') return false;
    return JSON.stringify(one) === JSON.stringify(other);
  },
  contains(container, value) {
    if (typeof container === 'string') return container.includes(value);
    if (Array.isArray(container)) return container.some((each) => py.equal(each, value));
    return Object.prototype.hasOwnProperty.call(container, value);
  },
  item(container, key) {
    if (container === null || container === undefined) throw new Error(`nothing has no [${key}]`);
    const index = typeof key === 'number' && key < 0 ? container.length + key : key;
    const found = container[index];
    if (found === undefined) throw new Error(`there is no [${key}]`);
    return found;
  },
  add(one, other) {
    return Array.isArray(one) ? one.concat(other) : one + other;
  },
  modulo(one, other) {
    return ((one % other) + other) % other;
  },
  str(value) {
    if (value === null || value === undefined) return 'None';
    if (value === true) return 'True';
    if (value === false) return 'False';
    return String(value);
  },
  int: (value) => Math.trunc(Number(value)),
  float: Number,
  bool: (value) => py.truth(value),
  len: (value) => (value.length === undefined ? Object.keys(value).length : value.length),
  min: (...values) => Math.min(...(values.length === 1 ? values[0] : values)),
  max: (...values) => Math.max(...(values.length === 1 ? values[0] : values)),
  sum: (values) => values.reduce((sum, each) => sum + each, 0),
  abs: Math.abs,
  list: (values) => (typeof values === 'object' && !Array.isArray(values)
    ? Object.keys(values) : Array.from(values)),
  sorted: (values) => Array.from(values).sort((a, b) => (a < b ? -1 : Number(a > b))),
  enumerate: (values) => values.map((each, index) => [index, each]),
  range(...ends) {
    const [start, stop, step] = ends.length === 1 ? [0, ends[0], 1] : [...ends, 1];
    const found = [];
    for (let n = start; step > 0 ? n < stop : n > stop; n += step) found.push(n);
    return found;
  },
  each: (values) => (typeof values === 'object' && !Array.isArray(values)
    ? Object.keys(values) : values),
  method(object, name, values, named) {
    if (object instanceof Person || object instanceof Reply || object === rng) {
      return object[name](...values, named);
    }
    return METHODS[name](object, ...values);
  },
};

const METHODS = {
  get(object, key, otherwise = null) {
    return Object.prototype.hasOwnProperty.call(object, key) ? object[key] : otherwise;
  },
  keys: (object) => Object.keys(object),
  values: (object) => Object.values(object),
  items: (object) => Object.entries(object),
  append: (list, value) => { list.push(value); },
  pop(list, index = -1) {
    const found = py.item(list, index);
    list.splice(index, 1);
    return found;
  },
  startswith: (text, start) => text.startsWith(start),
  endswith: (text, end) => text.endsWith(end),
  removeprefix: (text, start) => (text.startsWith(start) ? text.slice(start.length) : text),
  removesuffix: (text, end) => (text.endsWith(end) ? text.slice(0, -end.length) : text),
  lower: (text) => text.toLowerCase(),
  upper: (text) => text.toUpperCase(),
  strip: (text) => text.trim(),
  split: (text, by) => (by === undefined ? text.trim().split(/\s+/) : text.split(by)),
  join: (by, parts) => parts.join(by),
  replace: (text, one, other) => text.split(one).join(other),
};

const rng = {
  random: () => Math.random(),
  uniform: (low, high) => low + (high - low) * Math.random(),
  index: (size) => Math.floor(Math.random() * size),
  bernoulli: (probability) => Math.random() < probability,
  exponential: (mean) => -mean * Math.log(1 - Math.random()),
  normal: () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()),
};

function elapsedS() {
  return exec.instance.currentTestRunDuration / 1000;
}

class Reply {
  constructor(response) {
    this.status = response.status;
    this.error = response.error === '' ? null : response.error;
    this.ok = this.status > 0 && this.status < 400;
    this.text = response.body === null ? '' : response.body;
    this.content = this.text;
    this.headers = {};
    for (const [name, value] of Object.entries(response.headers)) {
      this.headers[name.toLowerCase()] = value;
    }
  }

  json() {
    return JSON.parse(this.text);
  }
}

const IDS = /\/(?:\d+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})(?=\/|$)/g;

function encoded(values) {
  return Object.entries(values).flatMap(([key, value]) => (Array.isArray(value) ? value : [value])
    .map((each) => `${encodeURIComponent(key)}=${encodeURIComponent(py.str(each))}`)).join('&');
}

class Person {
  constructor(id) {
    this.id = id;
    this.rng = rng;
    this.memory = null;
    this.finished = false;
  }

  get now_s() {
    return elapsedS();
  }

  sleep(seconds) {
    if (seconds > 0) sleep(seconds * PAUSES);
  }

  finish() {
    this.finished = true;
  }

  get(path, named) { return this.request('GET', path, named); }
  post(path, named) { return this.request('POST', path, named); }
  put(path, named) { return this.request('PUT', path, named); }
  patch(path, named) { return this.request('PATCH', path, named); }
  delete(path, named) { return this.request('DELETE', path, named); }

  request(method, path, named = {}) {
    const headers = { ...(named.headers || {}) };
    let body = null;
    let verb = method;
    let target = path;
    let name = named.name || null;
    if (named.json !== undefined && named.json !== null) {
      headers['Content-Type'] = headers['Content-Type'] || 'application/json';
      body = JSON.stringify(named.json);
    } else if (named.data !== undefined && named.data !== null) {
      const isText = typeof named.data === 'string';
      body = isText ? named.data : encoded(named.data);
      if (!isText) headers['Content-Type'] = headers['Content-Type'] || 'application/x-www-form-urlencoded';
    }
    if (named.params) target += (target.includes('?') ? '&' : '?') + encoded(named.params);
    for (let hop = 0; ; hop += 1) {
      const endpoint = name || `${verb} ${target.split('?')[0].replace(IDS, '/{id}')}`;
      const response = http.request(verb, URL + target, body, {
        headers,
        tags: { name: endpoint },
        timeout: named.patience_s ? `${Math.round(named.patience_s * 1000)}ms` : TIMEOUT,
        redirects: 0,
      });
      const reply = new Reply(response);
      const next = reply.headers.location;
      const isRedirect = reply.status >= 300 && reply.status < 400;
      if (named.redirects === false || !isRedirect || !next || hop >= 9) return reply;
      target = next.replace(/^https?:\/\/[^/]*/, '') || '/';
      if (reply.status <= 303) {
        verb = 'GET';
        body = null;
        delete headers['Content-Type'];
      }
      name = null;
    }
  }
}

let person = null;

// An exponential time given that it is at most `longest`.
function cutExponential(mean, longest) {
  const within = 1 - Math.exp(-longest / mean);
  return Math.min(longest, -mean * Math.log(1 - Math.random() * within));
}

function comes() {
  const opens = Math.min(ARRIVALS.opens_s, LOAD_S);
  const after = LOAD_S - opens;
  const early = Math.random() < ARRIVALS.early_share;
  sleep(opens > 0 && (early || after === 0)
    ? opens - cutExponential(ARRIVALS.early_mean_s, opens)
    : opens + cutExponential(ARRIVALS.late_mean_s, after));
}

// One iteration of a virtual user. In a calibration each iteration is another person.
function iterate(customer) {
  if (person === null || EACH_IS_NEW) {
    person = new Person(EACH_IS_NEW ? 1 + exec.scenario.iterationInTest : exec.vu.idInTest);
    if (EACH_IS_NEW) http.cookieJar().clear(URL);
    if (ARRIVALS !== null) comes();
  }
  if (person.finished) {
    // A virtual user cannot leave a load that counts users: it waits for the end instead.
    sleep(Math.max(1, LOAD_S - elapsedS()));
    return;
  }
  do customer(person); while (ARRIVALS !== null && !person.finished && elapsedS() < LOAD_S);
}

/* CUSTOMERS */
