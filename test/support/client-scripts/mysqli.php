<?php
// Runs a job (client-jobs.ts) with mysqli: JSON on standard input, the results as JSON on standard output.
mysqli_report(MYSQLI_REPORT_OFF);
$job = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);

function connectionTo(array $job): mysqli
{
    $connection = mysqli_init();
    $connection->options(MYSQLI_OPT_CONNECT_TIMEOUT, 30);
    $connection->options(MYSQLI_SET_CHARSET_NAME, $job['charset'] ?? 'utf8mb4');
    $flags = ($job['compress'] ?? false) ? MYSQLI_CLIENT_COMPRESS : 0;
    $tls = $job['tls'] ?? 'off';
    if ($tls !== 'off') {
        $connection->ssl_set(null, null, $tls['ca'] ?? null, null, null);
        $connection->options(MYSQLI_OPT_SSL_VERIFY_SERVER_CERT, $tls['verify']);
        $flags |= MYSQLI_CLIENT_SSL | ($tls['verify'] ? 0 : MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT);
    }
    // mysqli takes "localhost" for the socket file, and only that.
    $host = isset($job['socketPath']) ? 'localhost' : $job['host'];
    @$connection->real_connect(
        $host,
        $job['user'],
        $job['password'],
        $job['database'] ?? null,
        $job['port'] ?? null,
        $job['socketPath'] ?? null,
        $flags,
    );
    return $connection;
}

function resultOf(mysqli $connection, array $step): array
{
    $rows = [];
    if (isset($step['query'])) {
        $result = @$connection->query($step['query']);
        if ($result instanceof mysqli_result) {
            $asText = fn (mixed $value): string => $value === null ? 'NULL' : strval($value);
            $rows = array_map(fn (array $row): array => array_map($asText, $row), $result->fetch_all());
        }
    } elseif (isset($step['changeUser'])) {
        $user = $step['changeUser'];
        $result = @$connection->change_user($user['user'], $user['password'], $user['database'] ?? null);
    } elseif (isset($step['sleep'])) {
        usleep((int) ($step['sleep'] * 1_000_000));
        $result = true;
    } else {
        $result = @$connection->ping();
    }
    if ($result !== false) {
        return ['rows' => $rows];
    }
    return ['error' => [
        'errno' => $connection->errno,
        'message' => $connection->error,
        'sqlState' => $connection->sqlstate,
    ]];
}

$connection = connectionTo($job);
if ($connection->connect_errno !== 0) {
    $output = ['connectError' => [
        'errno' => $connection->connect_errno,
        'message' => $connection->connect_error,
    ]];
} else {
    $results = [];
    foreach ($job['steps'] as $step) {
        for ($count = $step['repeat'] ?? 1; $count > 0; $count--) {
            $results[] = resultOf($connection, $step);
        }
    }
    $output = ['results' => $results];
}
echo json_encode($output, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
