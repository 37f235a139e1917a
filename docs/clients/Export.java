import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * Creates an export, waits for it, downloads its file, and lists the completed exports. Needs Java 17 and Gson.
 *
 * <p>EXPORTS_API_URL=https://… EXPORTS_API_KEY=exk_… java -cp gson.jar Export.java 2025-12-01T00:00:00Z 2025-12-07T00:00:00Z
 */
public class Export {
    private static final Set<Integer> RETRYABLE = Set.of(429, 500, 502, 503, 504);
    private static final int ATTEMPTS = 6;

    private static final String API = System.getenv("EXPORTS_API_URL");
    private static final String KEY = System.getenv("EXPORTS_API_KEY");
    // Follows no redirects.
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    /** A response that is an error. Tell support its request id. */
    static class ApiException extends RuntimeException {
        final int status;
        final String code;
        final String requestId;

        ApiException(int status, JsonObject error, String requestId) {
            super(text(error, "code") + ": " + text(error, "message") + " (request " + requestId + ")");
            this.status = status;
            this.code = text(error, "code");
            this.requestId = requestId;
        }
    }

    /** Sends a request. Repeats it after 429, 5xx and broken connections, so a create needs an idempotency key. */
    static HttpResponse<String> call(String method, String path, Map<String, String> headers, JsonObject body)
            throws IOException, InterruptedException {
        var publisher = body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body.toString());
        var request = HttpRequest.newBuilder(URI.create(API + path))
                .method(method, publisher)
                .header("Authorization", "Bearer " + KEY)
                // Longer than the longest wait.
                .timeout(Duration.ofSeconds(60));
        headers.forEach(request::header);
        for (int attempt = 1; ; attempt++) {
            long delay = 1L << attempt;
            try {
                var response = HTTP.send(request.build(), BodyHandlers.ofString());
                if (response.statusCode() < 400) {
                    return response;
                }
                if (!RETRYABLE.contains(response.statusCode()) || attempt == ATTEMPTS) {
                    var error = JsonParser.parseString(response.body()).getAsJsonObject();
                    var requestId = text(error.getAsJsonObject("meta"), "request_id");
                    throw new ApiException(response.statusCode(), error.getAsJsonObject("error"), requestId);
                }
                delay = response.headers().firstValueAsLong("Retry-After").orElse(delay);
            } catch (IOException error) {
                if (attempt == ATTEMPTS) {
                    throw error;
                }
            }
            Thread.sleep(Duration.ofSeconds(delay).toMillis());
        }
    }

    static JsonObject json(HttpResponse<String> response) {
        return JsonParser.parseString(response.body()).getAsJsonObject();
    }

    static String text(JsonObject object, String name) {
        return object.has(name) ? object.get(name).getAsString() : null;
    }

    static JsonObject create(String start, String end) throws IOException, InterruptedException {
        var request = new JsonObject();
        request.addProperty("start_time", start);
        request.addProperty("end_time", end);
        var key = Map.of("Idempotency-Key", UUID.randomUUID().toString());
        return json(call("POST", "/v1/exports", key, request)).getAsJsonObject("data");
    }

    /** Each response comes as soon as the export has ended, or after 30 seconds. */
    static JsonObject await(JsonObject export) throws IOException, InterruptedException {
        while (Set.of("pending", "processing").contains(text(export, "status"))) {
            var path = "/v1/exports/" + text(export, "id") + "?wait=30";
            export = json(call("GET", path, Map.of(), null)).getAsJsonObject("data");
        }
        if (!"completed".equals(text(export, "status"))) {
            throw new IllegalStateException(text(export, "error_code") + ": " + text(export, "error_message"));
        }
        return export;
    }

    /** The redirect leads to another host, which must not get the API key: so this is a request without it. */
    static Path download(JsonObject export) throws Exception {
        var redirect = call("GET", "/v1/exports/" + text(export, "id") + "/download", Map.of(), null);
        var link = URI.create(redirect.headers().firstValue("Location").orElseThrow());
        var response = HTTP.send(HttpRequest.newBuilder(link).build(), BodyHandlers.ofInputStream());
        if (response.statusCode() != 200) {
            throw new IOException("The store answers " + response.statusCode());
        }
        var file = Path.of("export-" + text(export, "id") + ".csv");
        var digest = MessageDigest.getInstance("SHA-256");
        try (var body = new DigestInputStream(response.body(), digest); var output = Files.newOutputStream(file)) {
            body.transferTo(output);
        }
        if (!HexFormat.of().formatHex(digest.digest()).equals(text(export, "sha256"))) {
            throw new IOException(file + " is damaged");
        }
        return file;
    }

    static void printCompleted() throws IOException, InterruptedException {
        var cursor = "";
        do {
            var page = json(call("GET", "/v1/exports?status=completed&limit=100" + cursor, Map.of(), null));
            for (var item : page.getAsJsonArray("data")) {
                var export = item.getAsJsonObject();
                System.out.println(text(export, "id") + "\t" + text(export, "row_count"));
            }
            var next = text(page.getAsJsonObject("meta"), "next_cursor");
            cursor = next == null ? "" : "&cursor=" + URLEncoder.encode(next, StandardCharsets.UTF_8);
        } while (!cursor.isEmpty());
    }

    public static void main(String[] arguments) throws Exception {
        try {
            System.out.println(download(await(create(arguments[0], arguments[1]))));
            printCompleted();
        } catch (ApiException | IllegalStateException | IOException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
