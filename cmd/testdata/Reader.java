import java.sql.*;
import java.util.*;

/** What DBeaver and Metabase do with clickhouse-jdbc; the test compares what it prints. */
public class Reader {
    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        p.setProperty("user", "reader");
        p.setProperty("password", System.getenv("READER_PASSWORD"));
        try (Connection c = DriverManager.getConnection(args[0], p)) {
            DatabaseMetaData m = c.getMetaData();
            Set<String> tables = new TreeSet<>();
            try (ResultSet r = m.getTables(null, "default", "%", null)) { while (r.next()) tables.add(r.getString("TABLE_NAME")); }
            System.out.println(tables);
            try (ResultSet r = m.getColumns(null, "default", "hourly", "%")) {
                while (r.next()) System.out.println(r.getString("COLUMN_NAME") + " " + r.getString("TYPE_NAME") + ": " + r.getString("REMARKS"));
            }
            try (PreparedStatement q = c.prepareStatement("SELECT action, account FROM entries WHERE platform = ? ORDER BY action")) {
                q.setString(1, "web");
                try (ResultSet r = q.executeQuery()) { while (r.next()) System.out.println(r.getString(1) + " " + r.getString("account")); }
            }
            for (String text : List.of("SELECT * FROM secrets", "INSERT INTO retention_default (days) VALUES (1)", "DROP TABLE activity")) {
                try (Statement s = c.createStatement()) { System.out.println(text + ": " + s.execute(text)); }
                catch (SQLException e) { System.out.println(text + ": code " + e.getErrorCode()); }
            }
        }
    }
}
