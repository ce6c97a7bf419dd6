import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Where the threads of an overloaded service wait: for a connection or for the log.
 *
 * Each thread works, borrows one of ten connections for two round trips, works on a stack trace,
 * and writes it to standard output under a lock, as logback does. The database is a thread for each
 * connection behind a socket. One row of comma-separated values goes to standard error:
 * threads, requests per second, threads waiting for the log and for a connection, connections out
 * (sampled), then means: how long a connection is out, the log is waited for, the lock is held
 * (ms), share of the holds longer than 0.5 ms and their mean (ms), and the time outside (ms).
 *
 * java LogLock THREADS REQUEST_MS TRACE_MS HOLD_MS DATABASE_MS SECONDS; work is CPU time.
 */
public final class LogLock {
    private static final int CONNECTIONS = 10;
    private static final int ROUND_TRIPS = 2;
    private static final int TRACE_BYTES = 13_000;
    private static final double LONG_NS = 5e5;

    private static double stepsPerMs;
    private static volatile long sink;
    private static volatile boolean counts;

    private static void work(double ms) {
        long value = 1;
        for (long step = (long) (stepsPerMs * ms); step > 0; step--) {
            value = value * 6364136223846793005L + 1442695040888963407L;
        }
        sink += value;
    }

    /** The quickest of some runs: others may use the core as well. */
    private static void calibrate() {
        stepsPerMs = 2e5;
        double best = 0.0;
        for (int run = 0; run < 100; run++) {
            long began = System.nanoTime();
            work(5.0);
            best = Math.max(best, 5.0 * 2e5 / ((System.nanoTime() - began) / 1e6));
        }
        stepsPerMs = best;
    }

    private static void answer(Socket socket, double ms) {
        try (InputStream in = socket.getInputStream(); OutputStream out = socket.getOutputStream()) {
            while (in.read() >= 0) {
                work(ms);
                out.write(1);
            }
        } catch (IOException ended) {
            // The program has ended.
        }
    }

    private static void spawn(Runnable body) {
        Thread thread = new Thread(body);
        thread.setDaemon(true);
        thread.start();
    }

    public static void main(String[] args) throws Exception {
        int threads = Integer.parseInt(args[0]);
        double requestMs = Double.parseDouble(args[1]);
        double traceMs = Double.parseDouble(args[2]);
        double holdMs = Double.parseDouble(args[3]);
        double databaseMs = Double.parseDouble(args[4]);
        double seconds = Double.parseDouble(args[5]);
        calibrate();
        ReentrantLock lock = new ReentrantLock(false);
        Semaphore pool = new Semaphore(CONNECTIONS, false);
        PrintStream log = new PrintStream(
                new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 128), true);
        byte[] trace = new byte[TRACE_BYTES];
        LongAdder done = new LongAdder();
        LongAdder longHolds = new LongAdder();
        DoubleAdder out = new DoubleAdder();
        DoubleAdder waited = new DoubleAdder();
        DoubleAdder held = new DoubleAdder();
        DoubleAdder heldLong = new DoubleAdder();
        DoubleAdder outside = new DoubleAdder();
        ServerSocket listener = new ServerSocket(0, threads, InetAddress.getLoopbackAddress());
        for (int number = 0; number < threads; number++) {
            Socket socket = new Socket(listener.getInetAddress(), listener.getLocalPort());
            Socket other = listener.accept();
            socket.setTcpNoDelay(true);
            other.setTcpNoDelay(true);
            spawn(() -> answer(other, databaseMs));
            Random random = new Random(number);
            InputStream in = socket.getInputStream();
            OutputStream toDatabase = socket.getOutputStream();
            spawn(() -> {
                try {
                    while (true) {
                        double factor = Math.exp(0.47 * random.nextGaussian() - 0.11);
                        long t0 = System.nanoTime();
                        work(requestMs / 2.0 * factor);
                        long t1 = System.nanoTime();
                        pool.acquire();
                        long t2 = System.nanoTime();
                        for (int trip = 0; trip < ROUND_TRIPS; trip++) {
                            work(holdMs / (ROUND_TRIPS + 1) * factor);
                            toDatabase.write(1);
                            in.read();
                        }
                        work(holdMs / (ROUND_TRIPS + 1) * factor);
                        long t3 = System.nanoTime();
                        pool.release();
                        work(traceMs * factor);
                        long t4 = System.nanoTime();
                        long t5;
                        long t6;
                        lock.lock();
                        try {
                            t5 = System.nanoTime();
                            log.write(trace, 0, trace.length);
                            log.flush();
                            t6 = System.nanoTime();
                        } finally {
                            lock.unlock();
                        }
                        work(requestMs / 2.0 * factor);
                        long t7 = System.nanoTime();
                        if (counts) {
                            done.increment();
                            out.add(t3 - t2);
                            waited.add(t5 - t4);
                            held.add(t6 - t5);
                            outside.add(t1 - t0 + t4 - t3 + t7 - t6);
                            if (t6 - t5 > LONG_NS) {
                                longHolds.increment();
                                heldLong.add(t6 - t5);
                            }
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
        long forLog = 0;
        long forPool = 0;
        long borrowed = 0;
        while (System.nanoTime() - began < seconds * 1e9) {
            Thread.sleep(20);
            forLog += lock.getQueueLength();
            forPool += pool.getQueueLength();
            borrowed += CONNECTIONS - pool.availablePermits();
            samples++;
        }
        counts = false;
        double elapsed = (System.nanoTime() - began) / 1e9;
        double n = done.sum();
        double each = samples;
        System.err.printf(Locale.ROOT, "%d,%.0f,%.0f,%.0f,%.1f,%.1f,%.0f,%.2f,%.4f,%.1f,%.0f%n",
                threads, n / elapsed, forLog / each, forPool / each, borrowed / each,
                out.sum() / n / 1e6, waited.sum() / n / 1e6, held.sum() / n / 1e6,
                longHolds.sum() / n, heldLong.sum() / Math.max(1, longHolds.sum()) / 1e6,
                outside.sum() / n / 1e6);
        System.exit(0);
    }
}
