package shares;

import io.jsonwebtoken.JwtException;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestAttribute;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

@RestController
public class Api {
    private static final Logger LOG = LoggerFactory.getLogger(Api.class);

    private final Shop shop;
    private final Tokens tokens;

    public Api(Shop shop, Tokens tokens) {
        this.shop = shop;
        this.tokens = tokens;
    }

    public record BookingRequest(long seat) {}

    @GetMapping("/concerts/{id}/seats")
    public List<Shop.SeatView> seats(@PathVariable("id") long id) {
        return shop.list(id);
    }

    @PostMapping("/bookings")
    public Map<String, Object> book(
            @RequestAttribute("customer") String customer, @RequestBody BookingRequest request) {
        Booking booking = shop.book(Long.parseLong(customer), request.seat());
        return Map.of("id", booking.getId(), "at", booking.getBookedAt());
    }

    /** Called once, before anything is measured. */
    @GetMapping("/token")
    public String issue() {
        return tokens.issue();
    }

    @GetMapping("/token/check")
    public Map<String, String> check(@RequestHeader("Authorization") String token) {
        return Map.of("customer", tokens.parse(token).getSubject());
    }

    @ExceptionHandler(JwtException.class)
    public ResponseEntity<Map<String, String>> refused(JwtException error) {
        LOG.error("token refused", error);
        return ResponseEntity.status(HttpStatus.UNAUTHORIZED).body(Map.of("message", "refused"));
    }
}
