import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.DoubleAdder;

/**
 * Where the threads of an overloaded service wait: for a connection or for a monitor.
 *
 * Each thread works, borrows one of ten connections for two round trips, works, works again under a
 * monitor (`synchronized`), and works. The database is a thread for each connection behind a
 * socket. One row of comma-separated values goes to standard output: threads, requests per second,
 * threads waiting for a connection and connections out (sampled), how long a connection is out and
 * the monitor is held (means, ms), the share of requests that waited less than 1 ms for the
 * monitor, and the mean, 75th and 95th percentile and maximum of that wait (ms).
 *
 * java MonitorRace THREADS REQUEST_MS OUTSIDE_MS HOLD_MS DATABASE_MS SECONDS LOCKED_MS; work is CPU
 * time.
 */
public final class MonitorRace {
    private static final int CONNECTIONS = 10;
    private static final int ROUND_TRIPS = 2;
    private static final Object MONITOR = new Object();

    private static volatile boolean counts;

    public static void main(String[] args) throws Exception {
        int threads = Integer.parseInt(args[0]);
        double requestMs = Double.parseDouble(args[1]);
        double outsideMs = Double.parseDouble(args[2]);
        double holdMs = Double.parseDouble(args[3]);
        double databaseMs = Double.parseDouble(args[4]);
        double seconds = Double.parseDouble(args[5]);
        double lockedMs = Double.parseDouble(args[6]);
        Work.calibrate();
        Semaphore pool = new Semaphore(CONNECTIONS, false);
        ConcurrentLinkedQueue<Double> waits = new ConcurrentLinkedQueue<>();
        DoubleAdder out = new DoubleAdder();
        DoubleAdder held = new DoubleAdder();
        ServerSocket listener = new ServerSocket(0, threads, InetAddress.getLoopbackAddress());
        for (int number = 0; number < threads; number++) {
            Socket socket = new Socket(listener.getInetAddress(), listener.getLocalPort());
            Socket other = listener.accept();
            socket.setTcpNoDelay(true);
            other.setTcpNoDelay(true);
            Work.spawn(() -> Work.answer(other, databaseMs));
            Random random = new Random(number);
            InputStream in = socket.getInputStream();
            OutputStream toDatabase = socket.getOutputStream();
            Work.spawn(() -> {
                try {
                    while (true) {
                        double factor = Math.exp(0.47 * random.nextGaussian() - 0.11);
                        Work.work(requestMs / 2.0 * factor);
                        pool.acquire();
                        long t2 = System.nanoTime();
                        for (int trip = 0; trip < ROUND_TRIPS; trip++) {
                            Work.work(holdMs / (ROUND_TRIPS + 1) * factor);
                            toDatabase.write(1);
                            in.read();
                        }
                        Work.work(holdMs / (ROUND_TRIPS + 1) * factor);
                        long t3 = System.nanoTime();
                        pool.release();
                        Work.work(outsideMs * factor);
                        long t4 = System.nanoTime();
                        long t5;
                        long t6;
                        synchronized (MONITOR) {
                            t5 = System.nanoTime();
                            Work.work(lockedMs * factor);
                            t6 = System.nanoTime();
                        }
                        Work.work(requestMs / 2.0 * factor);
                        if (counts) {
                            out.add(t3 - t2);
                            held.add(t6 - t5);
                            waits.add((t5 - t4) / 1e6);
                        }
                    }
                } catch (IOException | InterruptedException ended) {
                    // The program has ended.
                }
            });
        }
        Thread.sleep(2_000);
        counts = true;
        long began = System.nanoTime();
        long samples = 0;
        long forPool = 0;
        long borrowed = 0;
        while (System.nanoTime() - began < seconds * 1e9) {
            Thread.sleep(20);
            forPool += pool.getQueueLength();
            borrowed += CONNECTIONS - pool.availablePermits();
            samples++;
        }
        counts = false;
        double elapsed = (System.nanoTime() - began) / 1e9;
        double[] waited = waits.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        int n = waited.length;
        System.out.printf(Locale.ROOT, "%d,%.0f,%.0f,%.1f,%.1f,%.2f,%.3f,%.0f,%.0f,%.0f,%.0f%n",
                threads, n / elapsed, forPool / (double) samples, borrowed / (double) samples,
                out.sum() / n / 1e6, held.sum() / n / 1e6,
                Arrays.stream(waited).filter(ms -> ms < 1.0).count() / (double) n,
                Arrays.stream(waited).average().orElse(0.0), waited[n * 3 / 4],
                waited[n * 19 / 20], waited[n - 1]);
        System.exit(0);
    }
}
