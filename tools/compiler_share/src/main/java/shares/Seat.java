package shares;

import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.Index;
import jakarta.persistence.Table;

@Entity
@Table(indexes = @Index(columnList = "concert"))
public class Seat {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    private Long id;
    private long concert;
    private int number;
    private long price;

    protected Seat() {}

    public Seat(long concert, int number, long price) {
        this.concert = concert;
        this.number = number;
        this.price = price;
    }

    public Long getId() {
        return id;
    }

    public int getNumber() {
        return number;
    }

    public long getPrice() {
        return price;
    }
}
