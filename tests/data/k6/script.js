// Sleeps instead of sending requests, and says when each iteration begins and ends.
import { sleep } from 'k6';
import exec from 'k6/execution';

export default function () {
  const since = exec.scenario.startTime;
  console.log(`start ${since}`);
  console.log(`begin ${__VU} ${__ITER} ${Date.now() - since}`);
  sleep(Number(__ENV.SLEEP_S || 0) + Number(__ENV.SLEEP_PER_VU_S || 0) * __VU);
  console.log(`end ${__VU} ${__ITER} ${Date.now() - since}`);
  if (__ENV.THROWS) {
    throw new Error('as asked');
  }
}
