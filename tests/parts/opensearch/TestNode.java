import java.io.File;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.KeyStore;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

/**
 * One OpenSearch node in the folder HOME, without the launcher's refusal to run as root. Once it answers over HTTP it
 * writes HOME/ready. It ends when its standard input does: whoever started it and is killed leaves nothing behind.
 */
final class TestNode {
    private TestNode() {}

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]).toAbsolutePath();
        Thread watch = new Thread(TestNode::endWithStarter, "end-with-starter");
        watch.setDaemon(true);
        watch.start();
        Settings settings = Settings.builder().put("path.home", home.toString()).build();
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "test");
        LogConfigurator.registerErrorListener();
        LogConfigurator.configureWithoutConfig(environment.settings());
        Node node = new Node(environment);
        node.start();
        awaitAnswer(home, environment.settings());
        Path written = Files.writeString(home.resolve("ready.new"), "");
        Files.move(written, home.resolve("ready"), StandardCopyOption.ATOMIC_MOVE);
        Thread.currentThread().join();
    }

    private static void endWithStarter() {
        try {
            while (System.in.read() >= 0) {}
        } catch (java.io.IOException gone) {
            // The same as its end.
        }
        Runtime.getRuntime().halt(0);
    }

    /** Until the cluster is usable by a client with credentials. Whoever started this gives up in the end. */
    private static void awaitAnswer(Path home, Settings settings) throws Exception {
        boolean isSecure = settings.getAsBoolean("plugins.security.ssl.http.enabled", false);
        String url = (isSecure ? "https" : "http") + "://localhost:" + settings.get("http.port")
            + "/_cluster/health?wait_for_status=yellow&timeout=2s";
        HttpClient.Builder client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1);
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(10));
        if (isSecure) {
            File store = home.resolve("config/node.p12").toFile();
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(KeyStore.getInstance(store, "changeit".toCharArray()));
            SSLContext tls = SSLContext.getInstance("TLS");
            tls.init(null, trust.getTrustManagers(), null);
            client.sslContext(tls);
            String credentials = "admin:" + Files.readString(home.resolve("password")).strip();
            request.header("Authorization", "Basic " + Base64.getEncoder().encodeToString(credentials.getBytes()));
        }
        HttpClient http = client.build();
        while (true) {
            try {
                if (http.send(request.build(), BodyHandlers.discarding()).statusCode() == 200) {
                    return;
                }
            } catch (java.io.IOException notYet) {
                // It does not listen, or has no time for an answer.
            }
            Thread.sleep(200);
        }
    }
}
