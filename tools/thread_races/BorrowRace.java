import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;

/**
 * How often a thread that is told of a returned connection comes too late.
 *
 * Each thread works, and borrows one of ten connections for some round trips, BORROWS times in a
 * row with a pause of work between. A connection that comes back is marked as idle first and then
 * handed to the thread that waits longest; whoever marks it as taken first has it, so a thread that
 * asks before the one that was told has its turn is quicker. The database is a thread for each
 * connection behind a socket. One row of comma-separated values goes to standard output: the
 * arguments, borrows per second, how long a connection is out (ms), and the share of the
 * connections that a thread was told of in vain.
 *
 * java BorrowRace THREADS WORK_MS HOLD_MS DATABASE_MS TRIPS AFTER BORROWS PAUSE_MS SECONDS; work is
 * CPU time, AFTER is 1 if some of HOLD_MS comes after the last round trip and 0 if none does.
 */
public final class BorrowRace {
    private static final int CONNECTIONS = 10;

    private static final Connection[] POOL = new Connection[CONNECTIONS];
    private static final SynchronousQueue<Connection> HANDED = new SynchronousQueue<>(true);
    private static final LongAdder TOLD = new LongAdder();
    private static final LongAdder IN_VAIN = new LongAdder();
    private static volatile boolean counts;

    /** One connection, and whether anybody has it. */
    private static final class Connection {
        private final AtomicBoolean taken = new AtomicBoolean();
        private final InputStream in;
        private final OutputStream out;

        private Connection(Socket socket) throws IOException {
            in = socket.getInputStream();
            out = socket.getOutputStream();
        }

        private boolean take() {
            return taken.compareAndSet(false, true);
        }
    }

    private static Connection borrow() throws InterruptedException {
        for (Connection connection : POOL) {
            if (connection.take()) {
                return connection;
            }
        }
        while (true) {
            Connection connection = HANDED.poll(1, TimeUnit.HOURS);
            boolean mine = connection != null && connection.take();
            if (counts) {
                TOLD.increment();
                IN_VAIN.add(mine ? 0 : 1);
            }
            if (mine) {
                return connection;
            }
        }
    }

    private static void giveBack(Connection connection) {
        connection.taken.set(false);
        // With many more threads than connections somebody always waits.
        while (!connection.taken.get() && !HANDED.offer(connection)) {
            Thread.yield();
        }
    }

    public static void main(String[] args) throws Exception {
        int threads = Integer.parseInt(args[0]);
        double workMs = Double.parseDouble(args[1]);
        double holdMs = Double.parseDouble(args[2]);
        double databaseMs = Double.parseDouble(args[3]);
        int trips = Integer.parseInt(args[4]);
        int after = Integer.parseInt(args[5]);
        int borrows = Integer.parseInt(args[6]);
        double pauseMs = Double.parseDouble(args[7]);
        double seconds = Double.parseDouble(args[8]);
        Work.calibrate();
        ServerSocket listener = new ServerSocket(0, CONNECTIONS, InetAddress.getLoopbackAddress());
        for (int number = 0; number < CONNECTIONS; number++) {
            Socket socket = new Socket(listener.getInetAddress(), listener.getLocalPort());
            Socket other = listener.accept();
            socket.setTcpNoDelay(true);
            other.setTcpNoDelay(true);
            POOL[number] = new Connection(socket);
            Work.spawn(() -> Work.answer(other, databaseMs));
        }
        LongAdder done = new LongAdder();
        DoubleAdder out = new DoubleAdder();
        double pieceMs = holdMs / (trips + after);
        for (int number = 0; number < threads; number++) {
            Random random = new Random(number);
            Work.spawn(() -> {
                try {
                    while (true) {
                        double factor = Math.exp(0.47 * random.nextGaussian() - 0.11);
                        Work.work(workMs * factor);
                        for (int borrow = 0; borrow < borrows; borrow++) {
                            Work.work(borrow > 0 ? pauseMs * factor : 0.0);
                            Connection connection = borrow();
                            long began = System.nanoTime();
                            for (int trip = 0; trip < trips; trip++) {
                                Work.work(pieceMs * factor);
                                connection.out.write(1);
                                connection.in.read();
                            }
                            Work.work(after > 0 ? pieceMs * factor : 0.0);
                            long ended = System.nanoTime();
                            giveBack(connection);
                            if (counts) {
                                done.increment();
                                out.add(ended - began);
                            }
                        }
                    }
                } catch (IOException | InterruptedException ended) {
                    // The program has ended.
                }
            });
        }
        Thread.sleep(1_500);
        counts = true;
        long began = System.nanoTime();
        Thread.sleep((long) (1e3 * seconds));
        counts = false;
        double elapsed = (System.nanoTime() - began) / 1e9;
        System.out.printf(Locale.ROOT, "%s,%.0f,%.1f,%.3f%n", String.join(",", args),
                done.sum() / elapsed, out.sum() / done.sum() / 1e6,
                IN_VAIN.sum() / (double) TOLD.sum());
        System.exit(0);
    }
}
