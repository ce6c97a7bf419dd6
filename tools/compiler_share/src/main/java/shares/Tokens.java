package shares;

import io.jsonwebtoken.Claims;
import io.jsonwebtoken.Jwts;
import io.jsonwebtoken.security.Keys;
import java.nio.charset.StandardCharsets;
import java.security.Key;
import java.util.Date;
import org.springframework.stereotype.Component;

@Component
public class Tokens {
    private static final Key KEY = Keys.hmacShaKeyFor(
            "a key of an example, of thirty-two bytes or more".getBytes(StandardCharsets.UTF_8));

    public String issue() {
        return Jwts.builder()
                .setSubject("1")
                .setExpiration(new Date(System.currentTimeMillis() + 86_400_000L))
                .signWith(KEY)
                .compact();
    }

    public Claims parse(String token) {
        return Jwts.parserBuilder().setSigningKey(KEY).build().parseClaimsJws(token).getBody();
    }
}
