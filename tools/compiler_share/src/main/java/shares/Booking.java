package shares;

import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import java.time.LocalDateTime;

@Entity
public class Booking {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    private Long id;
    private Long seatId;
    private Long customerId;
    private long price;
    private LocalDateTime bookedAt;

    protected Booking() {}

    public Booking(Seat seat, Customer customer) {
        seatId = seat.getId();
        customerId = customer.getId();
        price = seat.getPrice();
        bookedAt = LocalDateTime.now();
    }

    public Long getId() {
        return id;
    }

    public LocalDateTime getBookedAt() {
        return bookedAt;
    }
}
