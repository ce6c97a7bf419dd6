// What `ticketsim export` is compared with: one request that is answered, one that is not found,
// one that nobody listens to.
//     k6 run -q --out csv=exported.csv exported.js
import http from "k6/http";
import { sleep } from "k6";

export const options = {
  vus: 1,
  duration: "2s",
  thresholds: { http_req_failed: ["rate<0.01"] },
  summaryTrendStats: ["avg", "min", "med", "max", "p(90)", "p(95)", "p(99)"],
};

export default function () {
  sleep(0.5);
  http.get("http://127.0.0.1:8765/", { tags: { name: "GET /there" } });
  http.get("http://127.0.0.1:8765/missing", { tags: { name: "GET /missing" } });
  http.get("http://127.0.0.1:9/", { tags: { name: "GET /nobody" } });
}

export function handleSummary(data) {
  return { "exported_summary.json": JSON.stringify(data, null, 2) + "\n" };
}
