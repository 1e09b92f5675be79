import java.sql.*;
import java.util.Properties;

public class Query {
    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.setProperty("user", "default");
        p.setProperty("password", System.getenv("CLICKHOUSE_PASSWORD"));
        try (Connection c = DriverManager.getConnection(args[0], p); Statement s = c.createStatement()) {
            try (ResultSet r = s.executeQuery("SELECT count(), sum(number) FROM numbers(20000)")) {
                r.next();
                System.out.println(r.getLong(1) + " " + r.getLong(2));
            }
            s.execute("CREATE TABLE t (a UInt64, b String, c DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY a");
            try (PreparedStatement i = c.prepareStatement("INSERT INTO t VALUES (?, ?, '2024-02-12 08:03:20.000')")) {
                for (int n = 1; n <= 3; n++) { i.setLong(1, n); i.setString(2, "it's " + n); i.addBatch(); }
                i.executeBatch();
            }
            try (PreparedStatement q = c.prepareStatement("SELECT a, b, c FROM t WHERE a >= ? ORDER BY a")) {
                q.setLong(1, 2);
                try (ResultSet r = q.executeQuery()) { while (r.next()) System.out.println(r.getLong(1) + " " + r.getString(2)); }
            }
            s.execute("SET max_threads = 1");
            s.execute("DROP TABLE t");
            try { s.executeQuery("SELEC 1"); } catch (SQLException e) { System.out.println("code " + e.getErrorCode()); }
        }
    }
}
