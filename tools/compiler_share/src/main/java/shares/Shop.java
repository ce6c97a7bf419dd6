package shares;

import java.util.List;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

@Service
public class Shop {
    private final SeatRepository seats;
    private final CustomerRepository customers;
    private final BookingRepository bookings;

    public Shop(SeatRepository seats, CustomerRepository customers, BookingRepository bookings) {
        this.seats = seats;
        this.customers = customers;
        this.bookings = bookings;
    }

    public record SeatView(long id, int number, long price) {}

    @Transactional(readOnly = true)
    public List<SeatView> list(long concert) {
        return seats.findByConcertOrderByNumber(concert).stream()
                .map(seat -> new SeatView(seat.getId(), seat.getNumber(), seat.getPrice()))
                .toList();
    }

    @Transactional
    public Booking book(long customer, long seat) {
        return bookings.save(new Booking(
                seats.findById(seat).orElseThrow(), customers.findById(customer).orElseThrow()));
    }
}
