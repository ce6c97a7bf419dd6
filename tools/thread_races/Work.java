import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;

/** Processor time, and a database thread that answers: what the races have in common. */
final class Work {
    private static double stepsPerMs;
    private static volatile long sink;

    static void work(double ms) {
        long value = 1;
        for (long step = (long) (stepsPerMs * ms); step > 0; step--) {
            value = value * 6364136223846793005L + 1442695040888963407L;
        }
        sink += value;
    }

    /** The quickest of some runs: others may use the core as well. */
    static void calibrate() {
        stepsPerMs = 2e5;
        double best = 0.0;
        for (int run = 0; run < 200; run++) {
            long began = System.nanoTime();
            work(2.0);
            best = Math.max(best, 2.0 * 2e5 / ((System.nanoTime() - began) / 1e6));
        }
        stepsPerMs = best;
    }

    static void answer(Socket socket, double ms) {
        try (InputStream in = socket.getInputStream(); OutputStream out = socket.getOutputStream()) {
            while (in.read() >= 0) {
                work(ms);
                out.write(1);
            }
        } catch (IOException ended) {
            // The program has ended.
        }
    }

    static void spawn(Runnable body) {
        Thread thread = new Thread(body);
        thread.setDaemon(true);
        thread.start();
    }

    private Work() {}
}
