package shares;

import java.util.ArrayList;
import java.util.List;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

@SpringBootApplication
public class Application {
    static final int CONCERTS = 20;
    static final int SEATS = 50;

    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @Bean
    CommandLineRunner rows(SeatRepository seats, CustomerRepository customers) {
        return arguments -> {
            List<Seat> all = new ArrayList<>();
            for (int concert = 1; concert <= CONCERTS; concert++) {
                for (int number = 1; number <= SEATS; number++) {
                    all.add(new Seat(concert, number, 10_000 + number));
                }
            }
            seats.saveAll(all);
            customers.save(new Customer("one"));
        };
    }
}
