// More users than the service of server.py has places for; who gets no answer within 2 s asks again.
import http from 'k6/http';

export const options = { vus: 750, duration: '40s' };

export default function () {
  http.get('http://127.0.0.1:8200/', { timeout: '2s' });
}
